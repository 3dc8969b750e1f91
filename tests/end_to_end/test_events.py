"""A worker sends several events in one message, and no event is lost while the worker lives."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import REDEEM
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, waiting_for_locks
from tests.end_to_end.events import events_of, receiving_events
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS
from worker.intake.event_consumer import EVENTS_SECONDS

pytestmark = pytest.mark.slow

EVENTS = 12
# The pub/sub channel of Celery's events, in any database.
STREAM = "*celeryev*"
# Events of the worker's start, heartbeats, and events from before the first message.
OTHERS_MAX = 10


@pytest.fixture
def watched(database: dict[str, str], tmp_path: Path) -> Iterator[tuple[Worker, Client]]:
    """Yield a worker with a single child, and a client."""
    variables = with_redis(database, number=EVENTS)
    with Worker(folder=tmp_path / "worker", environment=variables, children=1) as worker, Client(variables) as client:
        yield worker.wait_ready(), client


def test_events_of_the_same_moment_are_one_message(watched: tuple[Worker, Client]) -> None:
    """Even if they come from several iterations of the loop."""
    worker, client = watched
    voucher_id = created_voucher(client)
    with (
        client.app.connection_for_read() as connection,
        receiving_events(client.app, connection) as receive,
        closing(client.broker.redis.pubsub(ignore_subscribe_messages=True)) as stream,
    ):
        stream.psubscribe(STREAM)
        # The first message confirms the subscription.
        assert stream.get_message(timeout=DEADLINE_SECONDS) is None
        started = time.monotonic()
        sent = []
        for _ in range(30):
            sent.append(client.send(REDEEM, redemption(voucher=voucher_id)))
            client.answer(sent[-1])
        events = events_of(receive, *sent)
        seconds = time.monotonic() - started
        messages = sum(1 for _ in iter(lambda: stream.get_message(timeout=EVENTS_SECONDS), None))
    assert len(events) == 3 * len(sent)
    assert 0 < messages <= seconds / EVENTS_SECONDS + OTHERS_MAX
    worker.wait_until_acknowledged()


def test_a_worker_that_stops_sends_the_events_of_its_last_batch(watched: tuple[Worker, Client]) -> None:
    """The worker waits for the running batch, and then sends events that were only scheduled."""
    worker, client = watched
    created_voucher(client, name="Held", code="HELD")
    with client.app.connection_for_read() as connection, receiving_events(client.app, connection) as receive:
        with holding_voucher(worker.environment["DATABASE_URL"], name="Held"):
            sent = client.send(REDEEM, redemption(code="HELD"))
            worker.eventually(lambda: waiting_for_locks(worker.environment["DATABASE_URL"]))
            worker.process.terminate()
            worker.eventually(lambda: "Warm shutdown" in worker.log)
        assert client.answer(sent)["outcome"] == "accepted"
        assert "task-succeeded" in {each["type"] for each in events_of(receive, sent)}


def break_connection(worker: Worker, client: Client) -> None:
    """Close the worker's connections to the broker, and wait until the worker has connected again."""
    connected = worker.log.count("Connected to")
    client.broker.redis.client_kill_filter(_type="normal", skipme=True)
    worker.eventually(lambda: worker.log.count("Connected to") > connected)


def test_no_event_is_lost_when_the_connection_breaks(watched: tuple[Worker, Client]) -> None:
    """The next connection sends them."""
    worker, client = watched
    voucher_id = created_voucher(client)
    with client.app.connection_for_read() as connection, receiving_events(client.app, connection) as receive:
        sent = []
        for _ in range(6):
            sent.append(client.send(REDEEM, redemption(voucher=voucher_id)))
            client.answer(sent[-1])
            break_connection(worker, client)
        # A message that was not acknowledged in time runs again, and then has more events.
        told = {(each["uuid"], each["type"]) for each in events_of(receive, *sent)}
    assert told == {(each, f"task-{state}") for each in sent for state in ("received", "started", "succeeded")}


def test_a_worker_with_threads_sends_its_last_events_when_it_stops(database: dict[str, str], tmp_path: Path) -> None:
    """With threads instead of children, the worker stops without waiting for anything."""
    variables = with_redis(database, number=EVENTS)
    with (
        Worker(folder=tmp_path / "threads", environment=variables, pool="threads") as worker,
        Client(variables) as client,
        client.app.connection_for_read() as connection,
        receiving_events(client.app, connection) as receive,
    ):
        worker.wait_ready()
        voucher_id = created_voucher(client)
        sent = client.send(REDEEM, redemption(voucher=voucher_id))
        assert client.answer(sent)["outcome"] == "accepted"
        assert worker.stop() == 0
        assert "task-succeeded" in {each["type"] for each in events_of(receive, sent)}
