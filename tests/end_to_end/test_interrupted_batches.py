"""Gathered messages are decided once, even if the worker stops, or loses the connection or a child."""

from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import PREFETCH_MULTIPLIER, REDEEM, busy_child, wait_until_held
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, poisoned, rows, waiting_for_locks
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS

# Two databases of Valkey for the workers of these tests.
STOPPING, RUNNING = 10, 11
POISON = "HUSH-CUSTOMER-93c1"


def fill(worker: Worker, client: Client, *, prefetch_count: int) -> list[str]:
    """Send more messages than the worker may fetch, and check that the worker fetches as many as allowed."""
    sent = [client.send(REDEEM, redemption(code="HELD")) for _ in range(2 * prefetch_count)]
    worker.eventually(lambda: client.broker.unacknowledged() == prefetch_count)
    worker.eventually(lambda: waiting_for_locks(worker.environment["DATABASE_URL"]))
    assert client.broker.waiting("redemptions") == prefetch_count
    return sent


@pytest.mark.slow
def test_the_prefetch_count_is_never_used_up(database: dict[str, str], tmp_path: Path) -> None:
    """After messages that failed, expired, or lost their child, a worker fetches as many as at first."""
    variables = with_redis(database, number=RUNNING)
    url = database["DATABASE_URL"]
    prefetch_count = 6
    with (
        Worker(
            folder=tmp_path / "prefetch", environment=variables, children=1, prefetch_multiplier=prefetch_count
        ) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        created_voucher(client, name="Held", code="HELD")
        voucher = created_voucher(client)

        with holding_voucher(url, name="Held"):
            sent = fill(worker, client, prefetch_count=prefetch_count)
            worker.children()[0].kill()
        for each in sent:
            assert client.answer(each)["outcome"] == "accepted"
        with poisoned(url, customer=POISON):
            failing = [client.send(REDEEM, redemption(voucher=voucher, customer=POISON)), client.send(REDEEM, {})]
            assert [client.outcome(each)["status"] for each in failing] == ["FAILURE"] * 2
        late = client.send(REDEEM, redemption(voucher=voucher), expires=-1)
        worker.eventually(lambda: client.broker.state(late)["status"] == "REVOKED")
        worker.wait_until_acknowledged()
        with holding_voucher(url, name="Held"):
            sent = fill(worker, client, prefetch_count=prefetch_count)
        for each in sent:
            assert client.answer(each)["outcome"] == "accepted"
        worker.wait_until_acknowledged()


@pytest.mark.slow
def test_a_worker_that_stops_ends_its_batch_and_puts_back_the_other_messages(
    database: dict[str, str], tmp_path: Path
) -> None:
    """Another worker gets them at once."""
    variables = with_redis(database, number=STOPPING)
    url = database["DATABASE_URL"]
    with Client(variables) as client:
        with Worker(
            folder=tmp_path / "stopping", environment=variables, children=1, prefetch_multiplier=PREFETCH_MULTIPLIER
        ) as worker:
            worker.wait_ready()
            voucher = created_voucher(client)
            with busy_child(worker, client) as busy:
                sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(50)]
                wait_until_held(worker, client, count=51)
                worker.process.terminate()
                worker.eventually(lambda: "Warm shutdown" in worker.log)
            assert worker.process.wait(DEADLINE_SECONDS) == 0, worker.log
            assert client.broker.state(busy)["status"] == "SUCCESS"
            assert client.broker.waiting("redemptions") == 50
            assert client.broker.unacknowledged() == 0
            assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]
        with Worker(
            folder=tmp_path / "next", environment=variables, children=1, prefetch_multiplier=PREFETCH_MULTIPLIER
        ) as worker:
            worker.wait_ready()
            numbers = Counter(client.answer(each)["redemptionNumber"] for each in sent)
            assert numbers == Counter(range(1, 51))
            worker.wait_until_acknowledged()
