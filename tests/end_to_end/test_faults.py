"""If processes are killed or locks are held too long, tasks are retried: one effect, and every caller is answered."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding, holding_vouchers, rows, waiting_for_locks
from tests.end_to_end.programs import SHORT_TIMEOUTS, Worker
from tests.end_to_end.vouchers import created_voucher, granted_discount
from tests.support.requests import invoice, redemption
from tests.support.waiting import eventually

# A database of Valkey for the two workers of these tests.
PAIR = 4


def is_running(process: psutil.Process) -> bool:
    """Return whether the process runs. A zombie does not: the parent may be waiting for the broker."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_batches_whose_children_are_killed_run_again(client: Client, worker: Worker, url: str) -> None:
    """One child dies before deciding its batch, the other after its COMMIT and before returning the outcomes."""
    sizes = {"Undecided": 30, "Committed": 20}
    voucher_ids = {name: created_voucher(client, name=name) for name in sizes}
    broker = client.broker.redis
    hold = "SELECT 1 FROM vouchers WHERE name = %s FOR UPDATE"
    try:
        with holding(url, hold, "Undecided"):
            with holding(url, hold, "Committed"):
                batches = {
                    name: client.send(
                        "redemptions.redeem_many",
                        {"requests": [redemption(voucher=voucher_ids[name]) for _ in range(size)]},
                    )
                    for name, size in sizes.items()
                }
                ports = eventually(lambda: found if len(found := waiting_for_locks(url)) == 2 else [])
                children = [worker.child_with_port(port) for port in ports]
                # From here on, no answer can be stored, and no message acknowledged.
                broker.client_pause(timeout=60_000, all=False)
            eventually(lambda: rows(url, "SELECT redemptions FROM vouchers WHERE name = 'Committed'") == [(20,)])
            for child in children:
                assert child
                child.kill()
            eventually(lambda: not any(child and is_running(child) for child in children))
    finally:
        broker.client_unpause()
    for name, size in sizes.items():
        items = client.answer(batches[name])["items"]
        assert [item["redemptionNumber"] for item in items] == list(range(1, size + 1))
    assert sorted(rows(url, "SELECT name, redemptions FROM vouchers")) == [("Committed", 20), ("Undecided", 30)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(50,)]
    eventually(lambda: len(worker.children()) == 2)


@pytest.fixture
def pair(database: dict[str, str], tmp_path: Path) -> Iterator[list[Worker]]:
    """Run two workers with a child each and a short visibility timeout."""
    variables = with_redis(database, number=PAIR) | SHORT_TIMEOUTS
    with ExitStack() as started:
        workers = [
            started.enter_context(Worker(folder=tmp_path / name, environment=variables, children=1))
            for name in ("one", "other")
        ]
        yield [worker.wait_ready() for worker in workers]


def test_messages_of_a_killed_worker_are_redelivered_and_answered_once(pair: list[Worker]) -> None:
    """The killed worker had started a request and prefetched others. The other worker gets all of them."""
    url = pair[0].environment["DATABASE_URL"]
    with Client(pair[0].environment) as client:
        voucher_id = created_voucher(client)
        with holding_vouchers(url):
            sent = [client.send("redemptions.redeem", redemption(voucher=voucher_id)) for _ in range(6)]
            ports = eventually(lambda: found if len(found := waiting_for_locks(url)) == 2 else [])
            # All messages are in the queue or unacknowledged before the worker is killed.
            eventually(lambda: client.broker.messages() == len(sent))
            (victim,) = [worker for worker in pair if worker.child_with_port(ports[0])]
            victim.kill()
        answers = [client.answer(each) for each in sent]
        assert sorted(answer["redemptionNumber"] for answer in answers) == [1, 2, 3, 4, 5, 6]
        assert rows(url, "SELECT redemptions FROM vouchers") == [(6,)]
        (survivor,) = [worker for worker in pair if worker is not victim]
        survivor.wait_until_acknowledged()


@pytest.mark.slow
def test_a_lock_that_is_held_too_long_fails_no_request(impatient: tuple[Worker, Client]) -> None:
    """The tasks wait, time out, are retried, and answer as if there had been no lock."""
    worker, client = impatient
    url = worker.environment["DATABASE_URL"]
    discount = granted_discount(client, subscription="sub_1", name="Granted")
    voucher_id = created_voucher(client, restrictions={"maximumRedemptions": 3})
    requests = {
        "redemptions.redeem_many": {"requests": [redemption(voucher=voucher_id) for _ in range(3)]},
        "billing.apply": invoice(subscription="sub_1"),
    }
    with (
        holding_vouchers(url),
        holding(url, "SELECT 1 FROM discounts FOR UPDATE"),
    ):
        sent = {task: client.send(task, request) for task, request in requests.items()}
        eventually(lambda: all(client.broker.state(each)["status"] == "RETRY" for each in sent.values()))
        assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]
    answers = {task: client.answer(each) for task, each in sent.items()}
    decided = answers["redemptions.redeem_many"]["items"]
    assert [answer["redemptionNumber"] for answer in decided] == [1, 2, 3]
    assert [each["discount"] for each in answers["billing.apply"]["discounts"]] == [discount]
