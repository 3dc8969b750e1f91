"""`scrip dead-letters unreadable`: texts that were no messages are listed, shown and discarded."""

from collections.abc import Iterator
from hashlib import sha1

import pytest
from redis import Redis

from tests.command_line import running
from tests.command_line.running import Done, scrip_alone
from tests.support.administrator import administrators_broker_url
from worker.broker.fetch_script import SET_ASIDE_KEY


def scrip(*words: str) -> Done:
    """Run the commands in this process."""
    return running.scrip("dead-letters", "unreadable", *words)


@pytest.fixture
def broker(environment: dict[str, str]) -> Iterator[Redis]:
    """Yield a client of the broker, which has no unreadable text before and after."""
    with Redis.from_url(administrators_broker_url(environment["REDIS_URL"])) as client:
        client.delete(SET_ASIDE_KEY)
        yield client
        client.delete(SET_ASIDE_KEY)


def set_aside(broker: Redis, text: bytes) -> str:
    """Set a text aside as a worker does, and return its SHA-1."""
    broker.lpush(SET_ASIDE_KEY, text)
    return sha1(text, usedforsecurity=False).hexdigest()


@pytest.mark.usefixtures("broker")
def test_where_nothing_was_set_aside_nothing_is_listed():
    """An unknown SHA-1 is not found."""
    assert scrip("list") == (0, "", "0 unreadable texts\n")
    unknown = "scrip: there is no unreadable text abc\n"
    assert scrip("show", "abc") == scrip("discard", "abc", "--yes") == (4, "", unknown)


def test_a_list_has_no_contents(broker: Redis):
    """Only `show` has, whatever bytes they are."""
    first, second = set_aside(broker, b"HUSH \xff"), set_aside(broker, "é\n{".encode())
    assert scrip("list").rows() == [[second, "4"], [first, "6"]]
    assert scrip("list", "--json").lines() == [
        {"object": "unreadable", "sha1": second, "bytes": 4},
        {"object": "unreadable", "sha1": first, "bytes": 6},
    ]
    assert scrip("show", second, "--json").lines()[0]["text"] == "é\n{"
    assert ["text", "HUSH \ufffd"] in scrip("show", first).rows()


def test_more_than_a_round_trip_is_listed_and_found(broker: Redis):
    """The oldest is at the end."""
    texts = [set_aside(broker, f"text {number}".encode()) for number in range(250)]
    assert [row[0] for row in scrip("list").rows()] == texts[::-1]
    assert scrip("show", texts[0], "--json").lines()[0]["text"] == "text 0"
    assert scrip("discard", texts[0], texts[120], "--yes").code == 0
    assert broker.llen(SET_ASIDE_KEY) == 248


def test_discarding_needs_a_yes_and_removes_one_text(broker: Redis):
    """Two equal texts are two messages that somebody may miss."""
    text = set_aside(broker, b"twice")
    set_aside(broker, b"twice")
    assert scrip("discard", text).code == 2
    assert broker.llen(SET_ASIDE_KEY) == 2
    assert scrip("discard", text, "--yes").rows() == [[text, "discarded"]]
    assert broker.lrange(SET_ASIDE_KEY, 0, -1) == [b"twice"]


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_a_broker_without_such_a_list_is_named():
    """RabbitMQ has none, and a server that is not there is unusable too."""
    words = ("dead-letters", "unreadable", "list")
    done = scrip_alone(*words, BROKER_URL="amqp://127.0.0.1:1//")
    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith("scrip: RabbitMQ has no list of unreadable texts")
    done = scrip_alone(*words, BROKER_URL="redis://127.0.0.1:1/0")
    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith("scrip: the broker could not be reached: ")
