"""The answers that a caller waits for, and the instants at which they arrive."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis

from benchmarks.answers import KEY, Answers
from benchmarks.sampling import MeasureFailed
from tests.support.administrator import administrators_broker_url


@pytest.fixture
def store(environment: dict[str, str]) -> Iterator[Redis]:
    """Return a client of the result store."""
    with Redis.from_url(administrators_broker_url(environment["REDIS_URL"])) as client:
        yield client


def answer(store: Redis, id_: str, *, status: str = "SUCCESS") -> None:
    """Store and publish an answer."""
    text = json.dumps({"status": status, "result": None})
    store.set(f"{KEY}{id_}", text, ex=60)
    store.publish(f"{KEY}{id_}", text)


def test_an_answer_arrives_when_it_is_published(environment: dict[str, str], store: Redis) -> None:
    """An attempt that failed and is repeated is no answer."""
    with Answers(environment["REDIS_URL"]) as answers:
        answers.expect(["first", "second"])
        answer(store, "first")
        answer(store, "second", status="RETRY")
        assert answers.wait(seconds_max=0.1) == {"second"}
        answer(store, "second")
        assert answers.wait(seconds_max=60) == set()
    assert answers.arrived["first"] < answers.arrived["second"]


def test_an_answer_that_was_missed_is_looked_up(environment: dict[str, str], store: Redis) -> None:
    """The connection is cut before the answer is stored, and nothing is published."""
    with Answers(environment["REDIS_URL"]) as answers:
        answers.expect(["missed"])
        store.set(f"{KEY}missed", json.dumps({"status": "SUCCESS", "result": None}), ex=60)
        store.client_kill_filter(_type="pubsub", skipme=True)
        assert answers.wait(seconds_max=60) == set()


def test_a_failed_request_fails_the_measure(environment: dict[str, str], store: Redis) -> None:
    """A figure of requests that failed would mean nothing."""
    with Answers(environment["REDIS_URL"]) as answers:
        answers.expect(["failed"])
        answer(store, "failed", status="FAILURE")
        with pytest.raises(MeasureFailed, match="1 requests failed"):
            answers.wait(seconds_max=60)
