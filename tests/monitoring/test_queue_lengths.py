"""The lengths of queues on Valkey, with the messages that workers of any transport have fetched."""

import asyncio
from collections.abc import Iterator

import pytest
from kombu.utils.json import dumps
from redis import Redis

from tests.end_to_end.broker import UNACKNOWLEDGED, with_redis
from tests.support.administrator import administrators_broker_url
from worker.monitoring.queue_lengths import SCAN_COUNT, broker_of
from worker.queues import QUEUES

# A database of Valkey from which no worker reads.
UNREAD = 10
MESSAGE = {"body": 'a text with "quotes"]', "headers": {}, "properties": {"delivery_info": {"routing_key": "billing"}}}


@pytest.fixture
def url(environment: dict[str, str]) -> str:
    """Return the URL of the database."""
    return with_redis(environment, number=UNREAD)["REDIS_URL"]


@pytest.fixture
def redis(url: str) -> Iterator[Redis]:
    """Yield a client of the database, which is empty before and after the test."""
    with Redis.from_url(administrators_broker_url(url)) as client:
        client.flushdb()
        yield client
        client.flushdb()


def lengths(url: str) -> dict[str, tuple[int, int, int]]:
    """Return the number of all messages of each queue, and of those that are unacknowledged and ready."""
    found = asyncio.run(broker_of(url, broker_options={}).queues(QUEUES))
    fields = ("messages", "messages_unacknowledged", "messages_ready")
    return {each["name"]: (each[fields[0]], each[fields[1]], each[fields[2]]) for each in found}


def test_an_empty_server_has_empty_queues(url: str, redis: Redis) -> None:
    """Every queue is there."""
    assert not redis.dbsize()
    assert lengths(url) == dict.fromkeys(QUEUES, (0, 0, 0))


def test_fetched_messages_count_in_the_queue_from_which_they_came(url: str, redis: Redis) -> None:
    """More than one round trip returns, in kombu's format, and in every priority."""
    count = 3 * SCAN_COUNT
    entry = dumps([MESSAGE, "", "redemptions"])
    redis.hset(UNACKNOWLEDGED, mapping={f"tag-{number}": entry for number in range(count)})
    redis.hset(UNACKNOWLEDGED, "other", dumps([MESSAGE, "scrip", "admin"]))
    redis.lpush("redemptions", "one", "two")
    redis.lpush("redemptions\x06\x169", "three")
    expected = dict.fromkeys(QUEUES, (0, 0, 0)) | {"redemptions": (count + 3, count, 3), "admin": (1, 1, 0)}
    assert lengths(url) == expected


def test_an_entry_that_cannot_be_read_counts_in_no_queue(url: str, redis: Redis) -> None:
    """Somebody else may write to the broker."""
    redis.hset(
        UNACKNOWLEDGED, mapping={"1": "", "2": "no list", "3": '["x", "", 7]', "4": dumps([MESSAGE, "", "celery"])}
    )
    assert lengths(url) == dict.fromkeys(QUEUES, (0, 0, 0))
