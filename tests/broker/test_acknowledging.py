"""Acknowledgements are sent many at a time, before the loop waits, and none is forgotten."""

import threading
import time
from contextlib import suppress

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.broker.consumers import DRAIN_SECONDS, command_counts, consuming, cut_connections, send
from tests.broker.durable_valkey import DurableValkey
from tests.support.waiting import eventually
from worker.broker.fetch_script import SET_ASIDE_KEY


def test_a_hundred_messages_are_fetched_and_acknowledged_at_once(url: str, redis: Redis) -> None:
    """Acknowledgements are collected until the loop is about to wait."""
    send(url, "q", *range(100))
    with consuming(url, "q") as ours:
        ours.receive_count(100)
        ours.drain_once()
        assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0
    made = command_counts(redis)
    assert made["hset"] == made["hdel"] == 1
    assert not {"rpop", "brpop"} & set(made)


def test_no_acknowledgement_is_pending_after_a_wait_without_an_event_loop(url: str, redis: Redis) -> None:
    """The caller may never wait again, so acknowledgements are flushed after the wait too."""
    send(url, "q", 1)
    with consuming(url, "q") as ours:
        ours.receive_count(1)
        assert redis.hlen("unacked") == 0


def test_another_thread_acknowledges_at_once(url: str, redis: Redis) -> None:
    """The loop may be waiting, and an acknowledgement does not wake the loop."""
    send(url, "q", 1, 2)
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(2)
        thread = threading.Thread(target=ours.messages[0].ack)
        thread.start()
        thread.join()
        assert redis.hkeys("unacked") == [ours.messages[1].delivery_tag]


def test_closing_a_channel_flushes_acknowledgements_and_puts_back_the_other_messages(url: str, redis: Redis) -> None:
    """The messages that were put back are marked as redelivered."""
    send(url, "q", *range(6))
    with consuming(url, "q", prefetch_count=4, acknowledges=False) as ours:
        ours.receive_count(4)
        ours.messages[1].ack()
        assert redis.hlen("unacked") == 4
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0
    with consuming(url, "q") as ours:
        assert sorted(ours.receive_count(5)) == [0, 2, 3, 4, 5]
        again = [message.payload for message in ours.messages if message.headers.get("redelivered")]
        assert sorted(again) == [0, 2, 3]


def test_recovered_messages_make_room_for_others(url: str, redis: Redis) -> None:
    """A channel can put back all of its messages and go on."""
    send(url, "q", "x" * 3_000)
    with consuming(url, "q", acknowledges=False, prefetch_bytes=1_000) as ours:
        ours.receive_count(1)
        ours.channel.basic_recover(requeue=True)
        assert redis.llen("q") == 1
        ours.receive_count(2)


def test_a_channel_whose_connection_was_given_up_can_still_be_closed(url: str, redis: Redis) -> None:
    """Celery closes a broken connection twice. The messages are redelivered after the visibility timeout."""
    send(url, "q", 1)
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(1)
        channel, transport = ours.channel, ours.connection.transport
        client, transport.client = transport.client, None
        channel.close()
        transport.client = client
    assert redis.hlen("unacked") == 1


def test_messages_that_were_fetched_and_not_delivered_are_put_back_too(url: str, redis: Redis) -> None:
    """A channel is closed while the reply to its fetch is on its way."""
    send(url, "q", *range(6))
    with consuming(url, "q", acknowledges=False) as ours:
        ours.connection.transport.cycle.on_poll_start()
        eventually(lambda: redis.hlen("unacked") == 6)
        assert ours.messages == []
    assert redis.llen("q") == 6
    assert redis.hlen("unacked") == 0


def test_an_acknowledgement_outlives_its_connection(url: str, redis: Redis) -> None:
    """The next connection sends the acknowledgement of a processed message."""
    send(url, "q", *range(5))
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(5)
        cut_connections(redis)
        ours.messages[0].ack()
        ours.connection.collect()
        # Too late: the message was put back. To acknowledge it now does no harm.
        ours.messages[1].ack()
    with consuming(url, "q") as ours:
        assert sorted(ours.receive_count(4)) == [1, 2, 3, 4]
    assert redis.llen("q") == redis.hlen("unacked") == redis.zcard("unacked_index") == 0


def test_an_acknowledgement_that_cannot_be_sent_is_kept(server: DurableValkey, url: str, redis: Redis) -> None:
    """While the broker is down, acknowledging raises no error. The next channel sends what the last one could not."""
    send(url, "q", "done", "open")
    with suppress(RedisConnectionError), consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(2)
        server.kill()
        ours.messages[0].ack()
        ours.connection.collect()
        server.start()
        assert redis.hlen("unacked") == 2
    with consuming(url, "other") as ours:
        ours.drain_until(lambda: not redis.hlen("unacked"))
    assert redis.llen("q") == 1


def test_a_message_is_redelivered_when_its_worker_is_gone(url: str, redis: Redis) -> None:
    """Our transport and kombu's each redeliver messages that the other has fetched."""
    for had, gets in ((False, True), (True, False), (False, False)):
        send(url, "q", "held")
        with consuming(url, "q", acknowledges=False, stock=had) as first:
            first.receive_count(1)
            # As if the process were gone: nothing is put back.
            first.channel.do_restore = False
        assert redis.hlen("unacked") == 1
        with consuming(url, "q", stock=gets, visibility_timeout=0.001, unacked_restore_throttle=1) as second:
            assert second.receive_count(1) == ["held"]
            assert second.messages[0].headers["redelivered"] is True
        assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("q") == 0


def test_an_unreadable_text_does_not_keep_other_messages_from_being_redelivered(url: str, redis: Redis) -> None:
    """The worker died before setting the text aside."""
    send(url, "q", "held")
    with consuming(url, "q", acknowledges=False) as first:
        first.receive_count(1)
        first.channel.do_restore = False
    redis.hset("unacked", "strange", '[{"priority": 0x10}, "", "q"]')
    redis.zadd("unacked_index", {"strange": time.time() - DRAIN_SECONDS})
    with consuming(url, "q", visibility_timeout=0.001, unacked_restore_throttle=1) as second:
        assert second.receive_count(1) == ["held"]
        second.drain_until(lambda: redis.llen(SET_ASIDE_KEY))
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("q") == 0


def test_acknowledgements_are_flushed_before_overdue_messages_are_put_back(url: str, redis: Redis) -> None:
    """Otherwise the loop would put back messages that were processed a moment ago."""
    send(url, "q", "done")
    with consuming(url, "q", acknowledges=False, visibility_timeout=0.001) as ours:
        ours.receive_count(1)
        ours.messages[0].ack()
        assert redis.hlen("unacked") == 1
        time.sleep(DRAIN_SECONDS)
        ours.channel.qos.restore_visible(interval=1)
        assert redis.llen("q") == redis.hlen("unacked") == 0


def test_a_rejected_message_is_dropped_or_put_back(url: str, redis: Redis) -> None:
    """A message that is put back keeps its turn: it is fetched before all others, as on RabbitMQ."""
    send(url, "q", "dropped", "again", "last")
    with consuming(url, "q", prefetch_count=2, acknowledges=False) as ours:
        ours.receive_count(2)
        ours.messages[0].reject()
        ours.messages[1].requeue()
        assert ours.receive_count(4)[2:] == ["again", "last"]
        assert ours.channel.qos.bytes_held > 0
        for message in ours.messages[2:]:
            message.ack()
        assert ours.channel.qos.bytes_held == 0
    assert redis.llen("q") == redis.hlen("unacked") == 0


@pytest.mark.parametrize("count", [2, 3])
def test_copies_of_one_message_are_acknowledged_together(url: str, redis: Redis, count: int) -> None:
    """The broker's copies share one delivery tag, and count once against the prefetch count."""
    send(url, "q", "same")
    redis.lpush("q", *[str(redis.lindex("q", 0))] * (count - 1))
    with consuming(url, "q", prefetch_count=1) as ours:
        assert ours.receive_count(count) == ["same"] * count
        send(url, "q", "next")
        assert ours.receive_count(count + 1)[-1] == "next"
    assert redis.hlen("unacked") == 0


def test_the_same_client_is_lent_until_its_connections_are_closed(url: str) -> None:
    """Creating a client takes longer than most uses."""
    with consuming(url, "q") as ours:
        with ours.channel.conn_or_acquire() as client, ours.channel.conn_or_acquire() as again:
            assert client is again
            assert client.ping()
        ours.channel._disconnect_pools()  # noqa: SLF001 - as after a loss
        with ours.channel.conn_or_acquire() as another, ours.channel.conn_or_acquire(client) as given:
            assert another is not client
            assert another.ping()
            assert given is client
