"""Events travel together, and none is lost by that while the worker lives."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.events import events_of, listening
from tests.end_to_end.requests import created
from tests.end_to_end.running import DEADLINE_SECONDS, Client, Worker, holding, waiting_for_locks, with_redis
from tests.end_to_end.test_batching import HELD, REDEEM
from tests.support.requests import redemption
from worker.intake.consumer import EVENTS_SECONDS

EVENTS = 12
# Celery's channel of events, whatever its database.
STREAM = "*celeryev*"
# A worker's start, its heartbeats, and what was due before the first message.
OTHERS_MAX = 10


@pytest.fixture
def watched(database: dict[str, str], tmp_path: Path) -> Iterator[tuple[Worker, Client]]:
    """A worker of one child, and a client of its broker."""
    variables = with_redis(database, number=EVENTS)
    with Worker(folder=tmp_path / "worker", environment=variables, children=1) as worker, Client(variables) as client:
        yield worker.wait_ready(), client


def test_events_of_a_moment_are_one_message(watched: tuple[Worker, Client]) -> None:
    """However many turns of the loop they come from."""
    worker, client = watched
    identity = created(client)
    with (
        client.app.connection_for_read() as connection,
        listening(client.app, connection) as hear,
        closing(client.broker.redis.pubsub(ignore_subscribe_messages=True)) as stream,
    ):
        stream.psubscribe(STREAM)
        # That it listens is the first thing that it is told.
        assert stream.get_message(timeout=DEADLINE_SECONDS) is None
        started = time.monotonic()
        sent = []
        for _ in range(30):
            sent.append(client.send(REDEEM, redemption(voucher=identity)))
            client.answer(sent[-1])
        events = events_of(hear, *sent)
        seconds = time.monotonic() - started
        messages = sum(1 for _ in iter(lambda: stream.get_message(timeout=EVENTS_SECONDS), None))
    assert len(events) == 3 * len(sent)
    assert 0 < messages <= seconds / EVENTS_SECONDS + OTHERS_MAX
    worker.settle()


def test_a_worker_that_stops_tells_of_the_batch_it_has_finished(watched: tuple[Worker, Client]) -> None:
    """It waits for the batch at hand, and what is due later would never be told."""
    worker, client = watched
    created(client, name="Held", code="HELD")
    with client.app.connection_for_read() as connection, listening(client.app, connection) as hear:
        with holding(worker.environment["DATABASE_URL"], HELD, "Held"):
            sent = client.send(REDEEM, redemption(code="HELD"))
            worker.while_it_lives(lambda: waiting_for_locks(worker.environment["DATABASE_URL"]))
            worker.process.terminate()
            worker.while_it_lives(lambda: "Warm shutdown" in worker.log)
        assert client.answer(sent)["outcome"] == "accepted"
        assert "task-succeeded" in {each["type"] for each in events_of(hear, sent)}


def break_connection(worker: Worker, client: Client) -> None:
    """This function will cut the worker's connections to the broker, and wait until it has others."""
    connected = worker.log.count("Connected to")
    client.broker.redis.client_kill_filter(_type="normal", skipme=True)
    worker.while_it_lives(lambda: worker.log.count("Connected to") > connected)


def test_a_connection_that_breaks_takes_no_event_with_it(watched: tuple[Worker, Client]) -> None:
    """They come by the next one."""
    worker, client = watched
    identity = created(client)
    with client.app.connection_for_read() as connection, listening(client.app, connection) as hear:
        sent = []
        for _ in range(6):
            sent.append(client.send(REDEEM, redemption(voucher=identity)))
            client.answer(sent[-1])
            break_connection(worker, client)
        # What was not acknowledged in time runs again, and there is more to tell.
        told = {(each["uuid"], each["type"]) for each in events_of(hear, *sent)}
    assert told == {(each, f"task-{what}") for each in sent for what in ("received", "started", "succeeded")}


def test_a_worker_that_stops_tells_of_what_it_has_just_done(database: dict[str, str], tmp_path: Path) -> None:
    """With threads in the place of children, nothing is left for it to wait for."""
    variables = with_redis(database, number=EVENTS)
    with (
        Worker(folder=tmp_path / "threads", environment=variables, pool="threads") as worker,
        Client(variables) as client,
        client.app.connection_for_read() as connection,
        listening(client.app, connection) as hear,
    ):
        worker.wait_ready()
        identity = created(client)
        sent = client.send(REDEEM, redemption(voucher=identity))
        assert client.answer(sent)["outcome"] == "accepted"
        assert worker.stop() == 0
        assert "task-succeeded" in {each["type"] for each in events_of(hear, sent)}
