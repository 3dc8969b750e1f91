"""Acknowledgements go many at once, before anybody waits, and none is forgotten."""

import threading
import time
from contextlib import suppress

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.broker.queues import DRAIN_SECONDS, Server, calls, consuming, send
from tests.end_to_end.running import eventually
from worker.broker.fetch import SET_ASIDE_KEY


def cut_connections(redis: Redis) -> None:
    """This function will have the server close every connection but this one."""
    for kind in ("normal", "pubsub"):
        redis.client_kill_filter(_type=kind, skipme=True)


def test_a_hundred_messages_are_taken_and_acknowledged_at_once(url: str, redis: Redis) -> None:
    """Acknowledgements wait for each other until the loop is about to wait."""
    send(url, "q", *range(100))
    with consuming(url, "q") as ours:
        ours.receive_count(100)
        ours.drain_once()
        assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0
    made = calls(redis)
    assert made["hset"] == made["hdel"] == 1
    assert not {"rpop", "brpop"} & set(made)


def test_nothing_is_due_when_nobody_waits_any_more(url: str, redis: Redis) -> None:
    """Without an event loop nobody knows whether there will be another turn."""
    send(url, "q", 1)
    with consuming(url, "q") as ours:
        ours.receive_count(1)
        assert redis.hlen("unacked") == 0


def test_another_thread_acknowledges_at_once(url: str, redis: Redis) -> None:
    """The loop may be asleep, and will not wake for that."""
    send(url, "q", 1, 2)
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(2)
        thread = threading.Thread(target=ours.messages[0].ack)
        thread.start()
        thread.join()
        assert redis.hkeys("unacked") == [ours.messages[1].delivery_tag]


def test_closing_a_channel_sends_what_is_due_and_puts_back_the_rest(url: str, redis: Redis) -> None:
    """In their order, marked as delivered before."""
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


def test_what_is_recovered_makes_room(url: str, redis: Redis) -> None:
    """A channel can put back all that it holds and go on."""
    send(url, "q", "x" * 3_000)
    with consuming(url, "q", acknowledges=False, prefetch_bytes=1_000) as ours:
        ours.receive_count(1)
        ours.channel.basic_recover(requeue=True)
        assert redis.llen("q") == 1
        ours.receive_count(2)


def test_a_channel_whose_connection_was_given_up_can_still_be_closed(url: str, redis: Redis) -> None:
    """Celery closes a broken connection twice. What it held comes back by itself."""
    send(url, "q", 1)
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(1)
        channel, transport = ours.channel, ours.connection.transport
        client, transport.client = transport.client, None
        channel.close()
        transport.client = client
    assert redis.hlen("unacked") == 1


def test_what_was_taken_and_not_delivered_is_put_back_too(url: str, redis: Redis) -> None:
    """A channel is closed while the messages that it asked for are on their way."""
    send(url, "q", *range(6))
    with consuming(url, "q", acknowledges=False) as ours:
        ours.connection.transport.cycle.on_poll_start()
        eventually(lambda: redis.hlen("unacked") == 6)
        assert ours.messages == []
    assert redis.llen("q") == 6
    assert redis.hlen("unacked") == 0


def test_an_acknowledgement_outlives_its_connection(url: str, redis: Redis) -> None:
    """The message was dealt with; the next connection says so."""
    send(url, "q", *range(5))
    with consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(5)
        cut_connections(redis)
        ours.messages[0].ack()
        ours.connection.collect()
        # Too late: it was put back. To acknowledge it does no harm.
        ours.messages[1].ack()
    with consuming(url, "q") as ours:
        assert sorted(ours.receive_count(4)) == [1, 2, 3, 4]
    assert redis.llen("q") == redis.hlen("unacked") == redis.zcard("unacked_index") == 0


def test_an_acknowledgement_that_cannot_be_sent_is_kept(server: Server, url: str, redis: Redis) -> None:
    """The broker is away for a while; nothing is raised at who acknowledges, and nothing is forgotten."""
    send(url, "q", "done", "open")
    with suppress(RedisConnectionError), consuming(url, "q", acknowledges=False) as ours:
        ours.receive_count(2)
        done, tag = ours.messages[0], ours.messages[1].delivery_tag
        server.part.clear()
        done.ack()
        ours.connection.collect()
        server.start()
        assert redis.hlen("unacked") == 2
    with consuming(url, "other") as ours:
        ours.drain_until(lambda: redis.hkeys("unacked") == [tag])


def test_a_message_comes_back_when_its_worker_is_gone(url: str, redis: Redis) -> None:
    """By our transport and by kombu's, whichever of them had fetched it."""
    for had, gets in ((False, True), (True, False), (False, False)):
        send(url, "q", "held")
        with consuming(url, "q", acknowledges=False, stock=had) as first:
            first.receive_count(1)
            # As if its process were gone: it puts nothing back.
            first.channel.do_restore = False
        assert redis.hlen("unacked") == 1
        with consuming(url, "q", stock=gets, visibility_timeout=0.001, unacked_restore_throttle=1) as second:
            assert second.receive_count(1) == ["held"]
            assert second.messages[0].headers["redelivered"] is True
        assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen("q") == 0


def test_a_text_that_nobody_can_read_does_not_keep_others_from_coming_back(url: str, redis: Redis) -> None:
    """Its worker died before it could put it aside."""
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


def test_our_own_acknowledgements_go_before_what_is_overdue_comes_back(url: str, redis: Redis) -> None:
    """Or the loop would put back what it has dealt with a moment ago."""
    send(url, "q", "done")
    with consuming(url, "q", acknowledges=False, visibility_timeout=0.001) as ours:
        ours.receive_count(1)
        ours.messages[0].ack()
        assert redis.hlen("unacked") == 1
        time.sleep(DRAIN_SECONDS)
        ours.channel.qos.restore_visible(interval=1)
        assert redis.llen("q") == redis.hlen("unacked") == 0


def test_a_rejected_message_goes_or_waits_again(url: str, redis: Redis) -> None:
    """As in kombu: dropped, or put back behind all others."""
    send(url, "q", "dropped", "again", "last")
    with consuming(url, "q", prefetch_count=2, acknowledges=False) as ours:
        ours.receive_count(2)
        ours.messages[0].reject()
        ours.messages[1].requeue()
        assert ours.receive_count(4)[2:] == ["last", "again"]
        assert ours.channel.qos.bytes_held > 0
        for message in ours.messages[2:]:
            message.ack()
        assert ours.channel.qos.bytes_held == 0
    assert redis.llen("q") == redis.hlen("unacked") == 0


@pytest.mark.parametrize("count", [2, 3])
def test_copies_of_one_message_are_acknowledged_together(url: str, redis: Redis, count: int) -> None:
    """A broker's second copy has the first one's delivery tag; room is given back once."""
    send(url, "q", "same")
    redis.lpush("q", *[str(redis.lindex("q", 0))] * (count - 1))
    with consuming(url, "q", prefetch_count=1) as ours:
        assert ours.receive_count(count) == ["same"] * count
        send(url, "q", "next")
        assert ours.receive_count(count + 1)[-1] == "next"
    assert redis.hlen("unacked") == 0


def test_one_client_is_lent_until_its_connections_are_given_up(url: str) -> None:
    """Making one for each use would fetch longer than the use."""
    with consuming(url, "q") as ours:
        with ours.channel.conn_or_acquire() as client, ours.channel.conn_or_acquire() as again:
            assert client is again
            assert client.ping()
        ours.channel._disconnect_pools()  # noqa: SLF001 - as after a loss
        with ours.channel.conn_or_acquire() as another, ours.channel.conn_or_acquire(client) as given:
            assert another is not client
            assert another.ping()
            assert given is client
