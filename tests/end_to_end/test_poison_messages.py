"""A message that cannot be decided or that kills its child is given up, and the rest of the batch is decided."""

import json
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.broker import Json, with_redis
from tests.end_to_end.busy_child import PREFETCH_MULTIPLIER, REDEEM, busy_child, wait_until_held
from tests.end_to_end.client import Client
from tests.end_to_end.database import ending_connections, holding_voucher, poisoned, rows, waiting_for_locks
from tests.end_to_end.programs import Worker, scrip
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption

pytestmark = pytest.mark.slow

# A database of Valkey for the worker with a short time limit.
SHORT_TIME_LIMIT = 11
POISON = "HUSH-CUSTOMER-93c1"
ATTEMPTS = 3


def test_the_poison_message_of_a_batch_becomes_a_dead_letter(batching: tuple[Worker, Client]) -> None:
    """The caller is told. When the fault is fixed, the message can be sent again."""
    worker, client = batching
    log_since = len(worker.log)
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client)
    with poisoned(url, customer=POISON):
        with busy_child(worker, client):
            others = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(4)]
            poison = client.send(REDEEM, redemption(voucher=voucher, customer=POISON))
            others += [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(4)]
            wait_until_held(worker, client, count=10)
        assert sorted(client.answer(each)["redemptionNumber"] for each in others) == list(range(1, 9))
        outcome = client.outcome(poison)
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
    assert POISON not in json.dumps(outcome) + worker.log[log_since:]
    assert rows(url, "SELECT task_id, attempts FROM dead_letters") == [(poison, ATTEMPTS)]
    assert rows(url, "SELECT * FROM attempts") == []
    scrip(worker, "dead-letters", "retry", poison)
    worker.eventually(lambda: client.broker.state(poison)["status"] == "SUCCESS")
    assert client.answer(poison)["redemptionNumber"] == 9
    assert rows(url, "SELECT * FROM dead_letters") == []


def kill_waiting_children(worker: Worker, client: Client, *, until_ended: str) -> None:
    """Kill each child that waits for a lock, until the task with that id has ended."""

    def probe() -> Json | None:
        for port in waiting_for_locks(worker.environment["DATABASE_URL"]):
            # For a moment, Postgres still lists the connection of a child that was killed.
            with suppress(psutil.NoSuchProcess):
                child = worker.child_with_port(port)
                if child:
                    child.kill()
        return client.broker.outcome(until_ended)

    worker.eventually(probe)


def test_a_message_that_kills_its_child_is_given_up_and_the_others_are_decided(
    batching: tuple[Worker, Client],
) -> None:
    """The batch runs again in ever smaller groups, until the message is alone."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    created_voucher(client, name="Deadly", code="DEADLY")
    voucher = created_voucher(client)
    with holding_voucher(url, name="Deadly"):
        with busy_child(worker, client) as busy:
            others = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
            deadly = client.send(REDEEM, redemption(code="DEADLY"))
            others += [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
            wait_until_held(worker, client, count=12)
        assert client.answer(busy)["outcome"] == "accepted"
        kill_waiting_children(worker, client, until_ended=deadly)
        assert sorted(client.answer(each)["redemptionNumber"] for each in others) == list(range(1, 11))
    outcome = client.outcome(deadly)
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
    letters = rows(url, "SELECT task_id, reason, attempts FROM dead_letters")
    assert letters == [(deadly, "WorkerLostError: its process ended", ATTEMPTS)]
    assert rows(url, "SELECT * FROM attempts") == []


def test_a_message_that_exceeds_the_time_limit_is_given_up(database: dict[str, str], tmp_path: Path) -> None:
    """The child is killed each time, and the other messages are decided."""
    variables = with_redis(database, number=SHORT_TIME_LIMIT) | {"SCRIP_BATCH_TIME_LIMIT_SECONDS": "2"}
    url = database["DATABASE_URL"]
    with (
        Worker(
            folder=tmp_path / "hanging", environment=variables, children=1, prefetch_multiplier=PREFETCH_MULTIPLIER
        ) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        created_voucher(client, name="Held", code="HELD")
        voucher = created_voucher(client)
        with holding_voucher(url, name="Held"):
            hanging = client.send(REDEEM, redemption(code="HELD"))
            others = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(5)]
            outcome = client.outcome(hanging)
            for each in others:
                assert client.answer(each)["outcome"] == "accepted"
        assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
        assert rows(url, "SELECT reason, attempts FROM dead_letters") == [
            ("TimeLimitExceeded: its process ended", ATTEMPTS)
        ]
        worker.wait_until_acknowledged()


@pytest.mark.parametrize("task", [REDEEM, "redemptions.redeem_many"])
def test_a_message_that_exceeds_its_own_time_limit_is_kept(client: Client, worker: Worker, task: str) -> None:
    """The sender's limit is in seconds. Celery alone would fail the message for good, and acknowledge it."""
    url = worker.environment["DATABASE_URL"]
    created_voucher(client, name="Held", code="HELD")
    request = redemption(code="HELD")
    with holding_voucher(url, name="Held"):
        sent = client.send(task, request if task == REDEEM else {"requests": [request]}, time_limit=1)
        outcome = client.outcome(sent)
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
    kept = rows(url, "SELECT task_id, reason FROM dead_letters")
    assert kept == [(sent, "TimeLimitExceeded: its process ended")]
    scrip(worker, "dead-letters", "retry", sent)
    worker.eventually(lambda: client.broker.state(sent)["status"] == "SUCCESS")


def test_a_message_that_ends_its_connection_does_not_stop_the_others(
    client: Client, worker: Worker, database: dict[str, str]
) -> None:
    """As a request does that crashes its backend of Postgres, or that a proxy drops. It becomes a dead letter."""
    url = database["DATABASE_URL"]
    voucher = created_voucher(client)
    with ending_connections(url, customer=POISON):
        deadly = client.send(REDEEM, redemption(voucher=voucher, customer=POISON))
        others = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(20)]
        reads = [client.send("vouchers.retrieve", {"project": "gigs", "voucher": voucher}) for _ in range(5)]
        assert {client.answer(each)["outcome"] for each in others} == {"accepted"}
        assert {client.answer(each)["id"] for each in reads} == {voucher}
        assert client.outcome(deadly)["result"]["exc_type"] == "GivenUp"
    assert rows(url, "SELECT task_id FROM dead_letters") == [(deadly,)]
    worker.wait_until_acknowledged()
