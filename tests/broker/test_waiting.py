"""Who waits takes nothing, asks for next to nothing, and is told of a message in whatever queue."""

import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty

import pytest
from redis import Redis

from tests.broker.queues import calls, consuming, send
from tests.end_to_end.running import DEADLINE_SECONDS
from worker.broker import channel
from worker.broker import poller as polling
from worker.broker.channel import Step

LISTS = [(queue, priority) for queue in ("a", "b") for priority in (0, 3, 6, 9)]


@pytest.fixture
def never_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle channel has to be told."""
    for module in (channel, polling):
        monkeypatch.setattr(module, "IDLE_SECONDS_MAX", 10 * DEADLINE_SECONDS)


@pytest.mark.usefixtures("never_looks_by_itself")
def test_an_idle_worker_is_told_of_a_message_in_whatever_queue(url: str) -> None:
    """And of every priority. It would not look by itself for ten minutes."""
    with consuming(url, "a", "b") as ours:
        for count, (queue, priority) in enumerate(LISTS * 2, start=1):
            ours.drain_until(lambda: ours.channel.step == Step.IDLE)
            send(url, queue, count, priority=priority)
            assert ours.receive_count(count)[-1] == count


@pytest.mark.usefixtures("never_looks_by_itself")
def test_a_message_that_comes_between_the_last_look_and_the_waiting_is_seen(url: str, redis: Redis) -> None:
    """The look that is remembered counts what is there already."""
    with consuming(url, "a") as ours:
        with suppress(Empty):
            ours.connection.transport.cycle.get(None)
        assert ours.channel.step == Step.LOOK
        send(url, "a", 1, priority=6)
        assert ours.receive_count(1) == [1]
    assert redis.hlen("unacked") == 0


def test_an_idle_worker_asks_about_once_a_second(url: str, redis: Redis) -> None:
    """It is the server that speaks."""
    with consuming(url, "a", "b") as ours:
        ours.drain_until(lambda: ours.channel.step == Step.IDLE)
        redis.config_resetstat()
        started = time.monotonic()
        ours.drain_once(3)
        made = calls(redis)
        seconds = time.monotonic() - started
    assert made.get("evalsha", 0) <= seconds + 1
    assert made.get("exists", 0) <= seconds + 1
    assert not {"blmove", "brpop", "rpop"} & set(made)


@pytest.fixture
def url_without_tracking(url: str, redis: Redis) -> Iterator[str]:
    """As of a server that cannot tell of changes."""
    redis.execute_command("ACL SETUSER plain on >word ~* &* +@all -client|tracking")
    yield f"redis://plain:word@{url.rpartition('@')[2]}"
    redis.execute_command("ACL DELUSER plain")


def test_where_the_server_cannot_tell_the_worker_waits_in_one_list(url_without_tracking: str, redis: Redis) -> None:
    """And looks at the others in between. It pops from none."""
    with consuming(url_without_tracking, "a", "b") as ours:
        for count, (queue, priority) in enumerate(LISTS, start=1):
            ours.drain_until(lambda: ours.channel.step == Step.WAIT)
            send(url_without_tracking, queue, count, priority=priority)
            assert ours.receive_count(count)[-1] == count
    assert calls(redis)["blmove"] > 0
    assert redis.hlen("unacked") == 0


def test_waiting_at_a_list_leaves_it_as_it_was(url_without_tracking: str, redis: Redis) -> None:
    """What ends the waiting stays where it is until the script takes it."""
    with consuming(url_without_tracking, "a", prefetch_count=1, acknowledges=False) as ours:
        ours.drain_until(lambda: ours.channel.step == Step.WAIT)
        ours.drain_until(lambda: ours.channel._in_poll)  # noqa: SLF001 - kombu's own
        send(url_without_tracking, "a", 1, 2, 3)
        assert ours.receive_count(1) == [1]
        assert redis.llen("a") == 2


@pytest.mark.usefixtures("never_looks_by_itself")
def test_a_full_worker_that_is_told_of_more_does_not_spin(url: str) -> None:
    """Its notifications is read though there is no room; it takes the message when there is."""
    with consuming(url, "a", prefetch_count=1, acknowledges=False) as ours:
        ours.drain_until(lambda: ours.channel.step == Step.IDLE)
        send(url, "a", 1)
        ours.receive_count(1)
        send(url, "a", 2)
        cycle = ours.connection.transport.cycle
        ours.drain_once()
        ours.drain_once()
        assert cycle.poller.poll(0) in (None, [], ())
        ours.messages[0].ack()
        assert ours.receive_count(2) == [1, 2]
