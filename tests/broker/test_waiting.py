"""An idle worker fetches nothing, sends few commands, and is notified of a message in any of its queues."""

import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty

import pytest
from redis import Redis

from tests.broker.consumers import command_counts, consuming, send
from tests.support.waiting import DEADLINE_SECONDS
from worker.broker import poller as polling
from worker.broker import waiting_channel
from worker.broker.waiting_channel import Step

LISTS = [(queue, priority) for queue in ("a", "b") for priority in (0, 3, 6, 9)]


@pytest.fixture
def without_idle_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an idle channel depend on notifications."""
    for module in (waiting_channel, polling):
        monkeypatch.setattr(module, "IDLE_SECONDS_MAX", 10 * DEADLINE_SECONDS)


@pytest.mark.slow
@pytest.mark.usefixtures("without_idle_fetches")
def test_an_idle_worker_is_notified_of_a_message_in_any_queue(url: str) -> None:
    """And of any priority. Without a notification, the worker would fetch again after ten minutes."""
    with consuming(url, "a", "b") as ours:
        for count, (queue, priority) in enumerate(LISTS * 2, start=1):
            ours.drain_until(lambda: ours.channel.step == Step.IDLE)
            send(url, queue, count, priority=priority)
            assert ours.receive_count(count)[-1] == count


@pytest.mark.usefixtures("without_idle_fetches")
def test_a_message_that_arrives_between_the_last_fetch_and_the_waiting_is_seen(url: str, redis: Redis) -> None:
    """The command that turns on notifications also counts the lists that have messages."""
    with consuming(url, "a") as ours:
        with suppress(Empty):
            ours.connection.transport.cycle.get(None)
        assert ours.channel.step == Step.TRACK
        send(url, "a", 1, priority=6)
        assert ours.receive_count(1) == [1]
    assert redis.hlen("unacked") == 0


@pytest.mark.slow
def test_an_idle_worker_fetches_about_once_a_second(url: str, redis: Redis) -> None:
    """An idle worker relies on the server's notifications."""
    with consuming(url, "a", "b") as ours:
        ours.drain_until(lambda: ours.channel.step == Step.IDLE)
        redis.config_resetstat()
        started = time.monotonic()
        ours.drain_once(3)
        made = command_counts(redis)
        seconds = time.monotonic() - started
    assert made.get("evalsha", 0) <= seconds + 1
    assert made.get("exists", 0) <= seconds + 1
    assert not {"blmove", "brpop", "rpop"} & set(made)


@pytest.fixture
def url_without_notifications(url: str, redis: Redis) -> Iterator[str]:
    """Yield the URL of a user without the right to notifications, as on a server without them."""
    redis.execute_command("ACL SETUSER plain on >word ~* &* +@all -client|tracking")
    yield f"redis://plain:word@{url.rpartition('@')[2]}"
    redis.execute_command("ACL DELUSER plain")


def test_without_notifications_the_worker_waits_for_one_list(url_without_notifications: str, redis: Redis) -> None:
    """In between, the worker fetches from all lists. It pops from none."""
    with consuming(url_without_notifications, "a", "b") as ours:
        for count, (queue, priority) in enumerate(LISTS, start=1):
            ours.drain_until(lambda: ours.channel.step == Step.BLOCK)
            send(url_without_notifications, queue, count, priority=priority)
            assert ours.receive_count(count)[-1] == count
    assert command_counts(redis)["blmove"] > 0
    assert redis.hlen("unacked") == 0


def test_waiting_for_a_list_does_not_change_it(url_without_notifications: str, redis: Redis) -> None:
    """The message that ends the wait stays in its list until the script fetches it."""
    with consuming(url_without_notifications, "a", prefetch_count=1, acknowledges=False) as ours:
        ours.drain_until(lambda: ours.channel.step == Step.BLOCK)
        ours.drain_until(lambda: ours.channel._in_poll)  # noqa: SLF001 - kombu's own
        send(url_without_notifications, "a", 1, 2, 3)
        assert ours.receive_count(1) == [1]
        assert redis.llen("a") == 2


@pytest.mark.usefixtures("without_idle_fetches")
def test_a_full_worker_that_is_notified_does_not_spin(url: str) -> None:
    """The notification is read although the prefetch count is reached; the message is fetched later."""
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
