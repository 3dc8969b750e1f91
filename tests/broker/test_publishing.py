"""Many messages are sent in a round trip, each as by `send_task`, and a broken connection loses none."""

import json
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import ROUTES
from tests.support.administrator import administrators_broker_url
from tests.support.waiting import DEADLINE_SECONDS, eventually
from worker.broker.bulk_publishing import RETRY_POLICY, Outgoing, send_all

# A database of Valkey from which no worker reads.
UNREAD = 5
# These properties differ between equal messages: a random tag, and the milliseconds until the expiry.
UNIQUE_PROPERTIES = ("delivery_tag", "expiration")


@pytest.fixture
def variables(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with a database of Valkey from which no worker reads."""
    return with_redis(environment, number=UNREAD)


@pytest.fixture
def redis(variables: dict[str, str]) -> Iterator[Redis]:
    """Yield the database, empty before the test and after it."""
    with Redis.from_url(administrators_broker_url(variables["REDIS_URL"]), decode_responses=True) as connection:
        connection.flushdb()
        yield connection
        connection.flushdb()


@pytest.fixture
def app(variables: dict[str, str], redis: Redis) -> Iterator[Celery]:  # noqa: ARG001 - emptied first
    """Yield an ordinary client."""
    # The administrator may send to a queue that Scrip does not have.
    made = Celery("sender", broker=administrators_broker_url(variables["REDIS_URL"]), set_as_current=False)
    made.conf.task_routes = ROUTES
    yield made
    made.close()


def waiting(redis: Redis, queue: str) -> list[dict[str, Any]]:
    """Return the messages of a queue in the order sent, with their bodies decoded."""
    found = [json.loads(str(each)) for each in reversed(redis.lrange(queue, 0, -1))]
    for message in found:
        message["body"] = json.loads(b64decode(message["body"]))
        for name in UNIQUE_PROPERTIES:
            message["properties"].pop(name, None)
    return found


def requests(count: int) -> list[Outgoing]:
    """Return `count` messages, numbered by their ids."""
    return [Outgoing("redemptions.redeem", {"requestId": f"order-{n}"}, {"task_id": f"t-{n}"}) for n in range(count)]


def test_a_message_is_the_one_that_send_task_sends(app: Celery, redis: Redis) -> None:
    """Headers, ids, route, priority and expiry are the same."""
    request = {"requestId": "order-1", "code": "SUMMER", "products": [], "subtotal": 12000}
    options = {"task_id": "t-1", "priority": 3, "expires": "2999-01-01T00:00:00+00:00", "ignore_result": True}
    app.send_task("redemptions.redeem", kwargs={"request": request}, **options)
    (alone,) = waiting(redis, "redemptions\x06\x163")
    redis.flushdb()
    send_all(app, [Outgoing("redemptions.redeem", request, options)])
    assert waiting(redis, "redemptions\x06\x163") == [alone]
    assert alone["headers"]["id"] == "t-1"


def test_messages_go_to_the_queues_of_their_tasks_in_the_order_given(app: Celery, redis: Redis) -> None:
    """Over several round trips, the last smaller. The results have the same order."""
    outgoing = [*requests(7), Outgoing("billing.apply", {"invoice": "inv_1"}), *requests(1)]
    results = send_all(app, outgoing, round_trip_count=3)
    sent = [each["headers"]["id"] for each in waiting(redis, "redemptions")]
    assert sent == [f"t-{n}" for n in range(7)] + ["t-0"]
    (apply,) = waiting(redis, "billing")
    assert [each.id for each in results] == [*sent[:7], apply["headers"]["id"], "t-0"]


def test_an_explicit_queue_is_used(app: Celery, redis: Redis) -> None:
    """By clients that know the names of the queues but have no routes."""
    send_all(app, [Outgoing("redemptions.redeem", {}, {"queue": "elsewhere"})])
    assert len(waiting(redis, "elsewhere")) == 1


def test_no_messages_need_no_connection(app: Celery, redis: Redis) -> None:
    """Sending an empty list does nothing."""
    assert send_all(app, []) == []
    assert redis.keys() == []


def test_a_round_trip_carries_many_messages(app: Celery, redis: Redis) -> None:
    """A thousand messages take the server fewer than 500 reads of its sockets."""
    send_all(app, requests(1))
    before = redis.info("stats")["total_reads_processed"]
    send_all(app, requests(1_000), round_trip_count=500)
    assert redis.llen("redemptions") == 1_001
    assert redis.info("stats")["total_reads_processed"] - before < 500


def paused_once(redis: Redis, outgoing: list[Outgoing], *, at: int) -> Iterator[Outgoing]:
    """Yield the messages, and make the server stop writing before the message at that position."""
    for number, each in enumerate(outgoing):
        if number == at:
            redis.client_pause(DEADLINE_SECONDS * 1_000, all=False)
        yield each


def cut_off_the_writer(redis: Redis) -> None:
    """Wait for a client that is blocked, close its connection, and let the server write again."""
    (writer, *_) = eventually(lambda: [each for each in redis.client_list() if "b" in each["flags"]])
    redis.client_kill_filter(_id=writer["id"])
    redis.client_unpause()


@pytest.mark.parametrize("at", [0, 10, 25, 49])
def test_nothing_is_missing_after_the_connection_broke(app: Celery, redis: Redis, at: int) -> None:
    """The connection breaks in the first round trip, in the middle, or in the last."""
    app.send_task("redemptions.redeem", task_id="first")
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(cut_off_the_writer, redis)
        results = send_all(app, paused_once(redis, requests(50), at=at), round_trip_count=10)
        cut.result()
    arrived = [each["headers"]["id"] for each in waiting(redis, "redemptions")]
    assert arrived == ["first", *(f"t-{n}" for n in range(50))]
    assert [each.id for each in results] == [f"t-{n}" for n in range(50)]


def test_a_round_trip_whose_reply_was_lost_is_repeated(app: Celery, redis: Redis) -> None:
    """The server has received all messages, so every message is there twice, under the same ids."""
    cut: list[bool] = []

    def cut_after_writing(pipeline: Any) -> None:
        pipeline_execute = pipeline.execute

        def execute(*arguments: Any, **options: Any) -> Any:
            answer = pipeline_execute(*arguments, **options)
            if not cut:
                cut.append(True)
                raise ConnectionResetError("the answer was lost")
            return answer

        pipeline.execute = execute

    with app.producer_pool.acquire(block=True) as producer:
        channel = producer.channel
        create = channel.create_publish_batch

        def create_watched(*arguments: Any, **options: Any) -> Any:
            batch = create(*arguments, **options)
            cut_after_writing(batch.pipeline)
            return batch

        channel.create_publish_batch = create_watched
    send_all(app, requests(20))
    arrived = [each["headers"]["id"] for each in waiting(redis, "redemptions")]
    assert cut
    assert arrived == [f"t-{n}" for n in range(20)] * 2


@pytest.mark.slow
def test_a_broker_that_stays_down_is_an_error(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """No message is silently missing."""
    monkeypatch.setitem(RETRY_POLICY, "max_retries", 1)
    # No server listens on this port.
    app.conf.broker_url = "redis://127.0.0.1:1/0"
    with pytest.raises(OperationalError):
        send_all(app, requests(3))
