"""Leases of messages on Redis: renewed by the holder, over by the server's clock, put back fifty at a time."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.broker.consumers import consuming, cut_connections, send
from tests.broker.durable_valkey import DurableValkey
from tests.support.waiting import eventually
from worker.broker.fetch_script import SET_ASIDE_KEY
from worker.broker.unacknowledged import OVERDUE_COUNT_MAX
from worker.intake.unended import is_postponed_until_due

HOUR = 3_600
DAY = 86_400


def server_time(redis: Any) -> float:
    """Return the server's time in seconds since 1970."""
    seconds, microseconds = redis.time()
    return float(seconds + microseconds / 1_000_000)


def end_leases(redis: Any) -> None:
    """Let the leases of all messages be over."""
    redis.zadd("unacked_index", dict.fromkeys(redis.zrange("unacked_index", 0, -1), 1.0))


def test_a_lease_begins_by_the_servers_clock(url: str, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a worker fetched whose clock is a day ahead is redelivered as soon as any other."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + DAY)
    send(url, "q", "held")
    before = server_time(redis)
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(1)
        ((_, begun),) = redis.zrange("unacked_index", 0, -1, withscores=True)
        assert before <= begun <= server_time(redis)


def test_a_renewed_lease_is_not_over(url: str, redis: Any) -> None:
    """However long a worker takes, its messages are delivered once. A message that it has forgotten is redelivered."""
    send(url, "q", "held", "forgotten")
    with consuming(url, "q", acknowledges=False, visibility_timeout=HOUR) as ours:
        ours.receive_count(2)
        end_leases(redis)
        ours.channel.renew_leases(frozenset({ours.messages[0].delivery_tag}))
        ours.channel.qos.restore_visible()
        assert redis.hkeys("unacked") == [ours.messages[0].delivery_tag]
        assert redis.llen("q") == 1
        assert ours.receive_count(3)[-1] == "forgotten"


def test_a_lease_that_was_lost_is_not_renewed(url: str, redis: Any) -> None:
    """Another worker has put the message back: the renewal must not hide it."""
    send(url, "q", "held")
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(1)
        redis.delete("unacked", "unacked_index")
        ours.channel.renew_leases(frozenset({ours.messages[0].delivery_tag}))
        assert redis.zcard("unacked_index") == 0
        ours.channel.do_restore = False


def test_many_messages_are_put_back_in_few_steps(url: str, redis: Any) -> None:
    """A living worker is not held up by a dead one with a thousand messages."""
    count = 3 * OVERDUE_COUNT_MAX
    send(url, "q", *range(count))
    with consuming(url, "q", acknowledges=False) as dead:
        dead.receive_count(count)
        dead.channel.do_restore = False
    end_leases(redis)
    redis.config_resetstat()
    with consuming(url, "q", visibility_timeout=HOUR, prefetch_count=1, acknowledges=False) as ours:
        ours.channel.qos.restore_visible()
        assert redis.llen("q") == OVERDUE_COUNT_MAX
        assert redis.info("commandstats")["cmdstat_eval"]["calls"] == 2
        ours.channel.qos.restore_visible()
        ours.channel.qos.restore_visible()
    with consuming(url, "q") as ours:
        bodies = ours.receive_count(count)
        assert sorted(bodies) == list(range(count))
        assert all(message.headers["redelivered"] for message in ours.messages)
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0


def test_a_message_that_was_acknowledged_meanwhile_is_not_put_back(url: str, redis: Any) -> None:
    """A worker took the message over and then saw that it was acknowledged."""
    send(url, "q", "done")
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(1)
        entries = {tag: redis.hget("unacked", tag).encode() for tag in redis.hkeys("unacked")}
        redis.delete("unacked", "unacked_index")
        with ours.channel.conn_or_acquire() as client:
            ours.channel.qos.unacknowledged._move(ours.channel, client, entries)  # noqa: SLF001 - between its two steps
        assert redis.llen("q") == 0
        ours.channel.do_restore = False


def test_a_postponed_message_waits_on_the_server(url: str, redis: Any) -> None:
    """No worker holds it, the loss of a worker does not matter, and any worker delivers it when it is due."""
    send(url, "q", "later")
    with consuming(url, "q", prefetch_count=1, acknowledges=False, visibility_timeout=HOUR) as ours:
        ours.receive_count(1)
        due = server_time(redis) + DAY
        ours.channel.postpone(ours.messages[0].delivery_tag, until=due)
        send(url, "q", "next")
        assert ours.receive_count(2) == ["later", "next"]
        ((_, begun),) = [
            each
            for each in redis.zrange("unacked_index", 0, -1, withscores=True)
            if each[0] == ours.messages[0].delivery_tag
        ]
        assert begun == pytest.approx(due - HOUR)
        ours.messages[1].ack()
    assert redis.hlen("unacked") == 1
    end_leases(redis)
    with consuming(url, "q", visibility_timeout=HOUR) as other:
        assert other.receive_count(1) == ["later"]


@pytest.mark.parametrize(("exchange", "routing_key"), [("celery", "celery"), ("redemptions", "q"), ("", "elsewhere")])
def test_a_message_goes_back_to_the_queue_it_came_from(url: str, redis: Any, exchange: str, routing_key: str) -> None:
    """Clients in other languages name any exchange, and a server that was flushed has forgotten the bindings."""
    send(url, "q", "held")
    text = json.loads(redis.lpop("q"))
    text["properties"]["delivery_info"] = {"exchange": exchange, "routing_key": routing_key}
    redis.lpush("q", json.dumps(text))
    with consuming(url, "q", acknowledges=False, visibility_timeout=HOUR) as ours:
        ours.receive_count(1)
        end_leases(redis)
        ours.channel.qos.restore_visible()
        assert (redis.llen("q"), redis.hlen("unacked")) == (1, 0)
        ours.receive_count(2)


def test_a_message_that_fits_no_queue_is_set_aside(url: str, redis: Any) -> None:
    """A worker on kombu's transport fetched it, and nobody knows where it came from."""
    redis.hset("unacked", "strange", json.dumps([{"properties": {"delivery_info": {}}}, "nowhere", "nothing"]))
    redis.zadd("unacked_index", {"strange": 1.0})
    with consuming(url, "q", visibility_timeout=HOUR) as ours:
        ours.drain_until(lambda: redis.llen(SET_ASIDE_KEY))
    assert redis.hlen("unacked") == 0


def not_called(_message: Any, _seconds: float) -> bool:
    """Fail: only RabbitMQ needs this."""
    raise AssertionError


def test_a_due_message_is_not_compared_with_the_workers_clock(url: str, redis: Any) -> None:
    """Celery would wait for as long as the worker's clock is behind."""
    send(url, "q", "due")
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(1)
        (message,) = ours.messages
        message.headers["task"] = "redemptions.redeem"
        message.headers["eta"] = datetime.fromtimestamp(server_time(redis), UTC).isoformat()
        assert not is_postponed_until_due(message, delay=not_called)
        assert message.headers["eta"] is None
        message.headers["eta"] = datetime.fromtimestamp(server_time(redis) + DAY, UTC).isoformat()
        assert is_postponed_until_due(message, delay=not_called)
        ours.channel.flush_acknowledgements()
        redis.delete("unacked", "unacked_index")


def test_a_lost_connection_puts_back_what_no_child_runs(url: str, redis: Any) -> None:
    """The message that a child runs stays with this process, and a postponed message is due no earlier."""
    send(url, "q", "begun", "later", "held")
    with consuming(url, "q", acknowledges=False, visibility_timeout=HOUR) as ours:
        ours.receive_count(3)
        begun, later, _ = ours.messages
        ours.channel.leave_to_next_channel(frozenset({begun.delivery_tag}))
        ours.channel.postpone(later.delivery_tag, until=server_time(redis) + DAY)
        cut_connections(redis)
        ours.connection.collect()
    assert sorted(redis.hkeys("unacked")) == sorted([begun.delivery_tag, later.delivery_tag])
    assert redis.llen("q") == 1
    with consuming(url, "q") as ours:
        assert ours.receive_count(1) == ["held"]


def break_disk(server: DurableValkey, redis: Any) -> Path:
    """Make the server refuse to write, as if its disk were full. Return the folder that is in the way."""
    obstacle = server.process.data_folder / "valkey" / "dump.rdb"
    obstacle.unlink(missing_ok=True)
    obstacle.mkdir()
    redis.config_set("save", "3600 1")
    redis.bgsave()
    eventually(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err")
    return obstacle


def test_a_worker_waits_while_the_disk_of_its_broker_is_full(
    url: str, redis: Any, server: DurableValkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages are acknowledged and fetched as soon as the server writes again."""
    send(url, "q", "first", "second")
    with consuming(url, "q", acknowledges=False, prefetch_count=1) as ours:
        ours.receive_count(1)
        obstacle = break_disk(server, redis)
        try:
            ours.messages[0].ack()
            ours.drain_until(lambda: "MISCONF" in caplog.text)
            assert redis.hlen("unacked") == 1
        finally:
            obstacle.rmdir()
            redis.bgsave()
            redis.config_set("save", "")
        assert ours.receive_count(2) == ["first", "second"]
        ours.messages[1].ack()
    assert redis.hlen("unacked") == 0
