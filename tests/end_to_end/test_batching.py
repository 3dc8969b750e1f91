"""Messages that a worker decides together: each is answered, acknowledged after its COMMIT, and seen by itself."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import REDEEM, busy_child, wait_until_held
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, rows, waiting_for_locks
from tests.end_to_end.events import events_of, receiving_events
from tests.end_to_end.programs import Program, Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

# A database of Valkey for the workers with other pools.
OTHER_POOLS = 11


def test_messages_that_wait_for_a_child_are_one_transaction(batching: tuple[Worker, Client]) -> None:
    """No message is acknowledged before the COMMIT, and each has its answer."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client)
    with busy_child(worker, client) as busy:
        sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(300)]
        wait_until_held(worker, client, count=301)
        assert rows(url, "SELECT count(*) FROM redemptions") == [(0,)]
    assert client.answer(busy)["outcome"] == "accepted"
    assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 301))
    # The last messages may have reached the gatherer when the child was free again.
    (instants,) = rows(url, "SELECT count(DISTINCT decided_at) FROM redemptions")[0]
    assert instants <= 4
    assert rows(url, "SELECT redemptions FROM vouchers WHERE name <> 'Held'") == [(300,)]


def test_reservations_that_wait_for_a_child_are_one_transaction(batching: tuple[Worker, Client]) -> None:
    """Each has a `ttl` of its own and its own answer."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client, restrictions={"maximumRedemptions": 250})
    with busy_child(worker, client) as busy:
        bodies = [{**redemption(voucher=voucher), "ttl": 600 + number} for number in range(300)]
        sent = [client.send("redemptions.reserve", body) for body in bodies]
        wait_until_held(worker, client, count=301)
        assert rows(url, "SELECT count(*) FROM holds") == [(0,)]
    assert client.answer(busy)["outcome"] == "accepted"
    assert Counter(client.answer(each)["reason"] for each in sent) == {None: 250, "fully_reserved": 50}
    # The last messages may have reached the gatherer when the child was free again.
    (instants,) = rows(url, "SELECT count(DISTINCT created_at) FROM holds")[0]
    assert instants <= 4
    assert rows(url, "SELECT held FROM vouchers WHERE name <> 'Held'") == [(250,)]


def test_a_message_that_comes_alone_does_not_wait_for_others(batching: tuple[Worker, Client]) -> None:
    """A message that comes alone is decided by itself."""
    worker, client = batching
    voucher = created_voucher(client)
    for number in range(1, 4):
        assert client.ask(REDEEM, redemption(voucher=voucher))["redemptionNumber"] == number
    assert worker.is_alive()


def test_a_batch_that_waits_for_a_lock_does_not_delay_other_messages(
    client: Client, worker: Worker, log_since: int
) -> None:
    """New messages wait for the end of a running batch, but only for a moment."""
    url = worker.environment["DATABASE_URL"]
    created_voucher(client, name="Held", code="HELD")
    voucher = created_voucher(client)
    with holding_voucher(url, name="Held"):
        stuck = client.send(REDEEM, redemption(code="HELD"))
        worker.eventually(lambda: waiting_for_locks(url))
        assert client.ask(REDEEM, redemption(voucher=voucher))["outcome"] == "accepted"
        # The batch still waits for the lock for the first time.
        assert "retry" not in worker.log[log_since:]
    assert client.answer(stuck)["outcome"] == "accepted"


def test_an_invalid_request_in_a_batch_fails_alone(batching: tuple[Worker, Client]) -> None:
    """The request fails with the same fields as outside of a batch."""
    worker, client = batching
    voucher = created_voucher(client)
    with busy_child(worker, client):
        valid = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(3)]
        invalid = client.send(REDEEM, redemption(voucher=voucher, customer=None))
        positional = client.send_arguments(REDEEM, args=[redemption(voucher=voucher)])
        valid += [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(3)]
        wait_until_held(worker, client, count=9)
    assert sorted(client.answer(each)["redemptionNumber"] for each in valid) == list(range(1, 7))
    for task_id, field in ((invalid, "customer"), (positional, "request")):
        outcome = client.outcome(task_id)
        assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "InvalidRequest")
        assert [each["field"] for each in outcome["result"]["exc_message"][0]] == [field]


def test_a_message_that_has_expired_does_not_run(batching: tuple[Worker, Client]) -> None:
    """Not even if the message was gathered before."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client)
    with busy_child(worker, client):
        wanted = client.send(REDEEM, redemption(voucher=voucher))
        expiring = client.send(REDEEM, redemption(voucher=voucher), expires=2)
        expired_at = time.monotonic() + 2
        wait_until_held(worker, client, count=3)
        worker.eventually(lambda: time.monotonic() > expired_at)
    assert client.answer(wanted)["redemptionNumber"] == 1
    worker.eventually(lambda: client.broker.state(expiring)["status"] == "REVOKED")
    assert rows(url, "SELECT redemptions FROM vouchers ORDER BY name") == [(1,), (1,)]


def test_two_copies_of_a_message_in_a_batch_have_one_effect(batching: tuple[Worker, Client]) -> None:
    """A message with the same id and another body is not a copy."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client)
    requests = [redemption(voucher=voucher) for _ in range(2)]
    with busy_child(worker, client):
        for request in (*requests, requests[0], requests[0]):
            client.send(REDEEM, request, task_id="one-and-the-same")
        wait_until_held(worker, client, count=5)
    worker.wait_until_acknowledged()
    assert rows(url, "SELECT redemptions FROM vouchers WHERE name <> 'Held'") == [(2,)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(3,)]


def test_flower_sees_each_message(batching: tuple[Worker, Client]) -> None:
    """Flower sees that a message was received, started and ended, and sees only ids."""
    worker, client = batching
    voucher = created_voucher(client)
    with client.app.connection_for_read() as connection, receiving_events(client.app, connection) as receive:
        with busy_child(worker, client) as busy:
            valid = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
            invalid = client.send(REDEEM, {"code": "HELD"})
            wait_until_held(worker, client, count=7)
        events = events_of(receive, busy, *valid, invalid)
    types: dict[str, list[str]] = {}
    for each in events:
        types.setdefault(each["uuid"], []).append(each["type"])
    for task_id in (busy, *valid):
        assert types[task_id] == ["task-received", "task-started", "task-succeeded"]
    assert types[invalid] == ["task-received", "task-started", "task-failed"]
    assert "HELD" not in json.dumps(events)


def test_canvas_runs_as_celery_runs_it(batching: tuple[Worker, Client]) -> None:
    """Celery itself runs a message with a callback, and then the callback."""
    worker, client = batching
    log_since = len(worker.log)
    voucher = created_voucher(client)
    follows = client.app.signature("redemptions.retrieve", kwargs={"request": {"project": "gigs", "requestId": "one"}})
    first = client.send(REDEEM, redemption(voucher=voucher, requestId="one"), link=follows.set(immutable=True))
    assert client.answer(first)["redemptionNumber"] == 1
    worker.eventually(lambda: "Task redemptions.retrieve[" in worker.log[log_since:])


def test_a_message_with_a_countdown_is_decided_when_it_is_due(batching: tuple[Worker, Client]) -> None:
    """The message waits in the worker, and other messages do not wait."""
    worker, client = batching
    voucher = created_voucher(client)
    later = client.send(REDEEM, redemption(voucher=voucher), countdown=1)
    assert client.ask(REDEEM, redemption(voucher=voucher))["redemptionNumber"] == 1
    assert client.answer(later)["redemptionNumber"] == 2
    assert worker.is_alive()


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_decide_each_message_by_itself(database: dict[str, str], tmp_path: Path, pool: str) -> None:
    """They have no processes to which a batch could be sent."""
    variables = with_redis(database, number=OTHER_POOLS)
    options = ("--queues", "redemptions,admin", "--pool", pool, "--concurrency", "2", "--without-mingle")
    program = Program("worker", *options, "--loglevel", "INFO", folder=tmp_path / pool, environment=variables)
    with program, Client(variables) as client:
        voucher = created_voucher(client)
        sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
        assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 6))
        assert program.stop() == 0, program.log


def test_a_batch_that_waits_too_long_for_a_lock_is_retried(impatient: tuple[Worker, Client]) -> None:
    """Each of its messages reports the retry, and is answered in the end."""
    worker, client = impatient
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client, name="Held", restrictions={"maximumRedemptions": 5})
    with holding_voucher(url, name="Held"):
        sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
        eventually(lambda: all(client.broker.state(each)["status"] == "RETRY" for each in sent))
    assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == [1, 2, 3, 4, 5]
    worker.wait_until_acknowledged()
