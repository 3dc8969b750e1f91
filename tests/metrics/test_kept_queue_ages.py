"""The ages of messages across processes: each look continues what the last one has kept on Valkey."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.utils.json import dumps
from redis import Redis

from tests.end_to_end.broker import with_redis
from tests.support.administrator import administrators_broker_url
from worker.monitoring.kept_queue_ages import KEPT_MARKS_MAX, KEY, MARK_BYTES_MAX, KeptQueueAges

# A database of Valkey from which no worker reads.
UNREAD = 10
QUEUE = "redemptions"
MINUTES = 600


@pytest.fixture
def redis(environment: dict[str, str]) -> Iterator[Redis]:
    """Yield a client of the database, which is empty before and after."""
    with Redis.from_url(administrators_broker_url(with_redis(environment, number=UNREAD)["REDIS_URL"])) as client:
        client.flushdb()
        yield client
        client.flushdb()


def send(redis: Redis, tag: str, body: str = "") -> None:
    """Send a message with that tag."""
    redis.lpush(QUEUE, dumps({"body": body, "properties": {"delivery_tag": tag}}))


def age(redis: Redis, *taken: str) -> float | None:
    """Return the age that a process tells which looks for the first time."""
    lists = {QUEUE: {QUEUE: int(str(redis.llen(QUEUE)))}}
    return KeptQueueAges().look(redis, lists=lists, taken=dict.fromkeys(taken, QUEUE)).get(QUEUE)


def kept_state(redis: Redis) -> Any:
    """Return the marks that are kept."""
    return json.loads(redis.get(KEY) or "")


def let_time_pass(redis: Redis) -> None:
    """Put every kept mark ten minutes into the past."""
    state = kept_state(redis)
    state["lists"] = {key: [[text, at - MINUTES] for text, at in kept] for key, kept in state["lists"].items()}
    state["taken"] = {tag: at - MINUTES for tag, at in state["taken"].items()}
    redis.set(KEY, json.dumps(state))


def test_a_message_that_is_still_there_is_as_old_as_the_first_look(redis: Redis) -> None:
    """Also once a worker has taken it, and until it is acknowledged."""
    assert age(redis) is None
    send(redis, "one")
    assert age(redis) == 0
    let_time_pass(redis)
    send(redis, "two")
    assert MINUTES <= (age(redis) or 0) < 2 * MINUTES
    redis.rpop(QUEUE)
    assert MINUTES <= (age(redis, "one") or 0) < 2 * MINUTES
    let_time_pass(redis)
    assert (age(redis, "one") or 0) >= 2 * MINUTES
    assert MINUTES <= (age(redis) or 0) < 2 * MINUTES
    redis.rpop(QUEUE)
    assert age(redis) is None


def test_what_is_kept_stays_small(redis: Redis) -> None:
    """Few marks of each list, none of a long message, and for a day."""
    for number in range(3 * KEPT_MARKS_MAX):
        send(redis, f"{number}")
        age(redis)
        let_time_pass(redis)
    kept = kept_state(redis)["lists"][QUEUE]
    assert 1 < len(kept) <= KEPT_MARKS_MAX
    assert (age(redis) or 0) >= MINUTES * 3 * KEPT_MARKS_MAX
    redis.delete(QUEUE)
    assert age(redis) is None
    send(redis, "long", body="x" * MARK_BYTES_MAX)
    assert age(redis) == 0
    assert kept_state(redis)["lists"] == {}
    assert 0 < int(str(redis.ttl(KEY))) <= 86_400


@pytest.mark.parametrize("state", ["", "[]", "{", '{"lists": {"redemptions": [["!", 1]]}}', '{"taken": 7}', "\xff"])
def test_anything_else_under_the_key_is_replaced(redis: Redis, state: str) -> None:
    """Somebody else may write to the broker."""
    redis.set(KEY, state.encode("latin-1"))
    send(redis, "one")
    assert age(redis) == 0
    let_time_pass(redis)
    assert (age(redis) or 0) >= MINUTES
