"""Processes that are killed and locks that are held too long: tried again, one effect, and every caller answered."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.requests import created, granted
from tests.end_to_end.running import (
    SOON_AGAIN,
    Client,
    Worker,
    eventually,
    holding,
    rows,
    waiting_for_locks,
    with_redis,
)
from tests.support.requests import invoice, redemption

# Two workers of their own, and nobody else, read here.
PAIR = 4


def child_with_port(worker: Worker, port: int) -> psutil.Process | None:
    """This function will return the child process of the worker whose connection to Postgres came from that port."""
    for child in worker.children():
        if any(each.laddr.port == port for each in child.net_connections("tcp")):
            return child
    return None


def lives(process: psutil.Process) -> bool:
    """This function will tell whether the process runs; a zombie waits for its parent, which the broker may hold up."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_batches_whose_children_are_killed_run_again(client: Client, worker: Worker, url: str) -> None:
    """One child dies before it has decided anything, the other after its COMMIT and before it has said so."""
    sizes = {"Undecided": 30, "Committed": 20}
    identities = {name: created(client, name=name) for name in sizes}
    broker = client.broker.redis
    hold = "SELECT 1 FROM vouchers WHERE name = %s FOR UPDATE"
    try:
        with holding(url, hold, "Undecided"):
            with holding(url, hold, "Committed"):
                batches = {
                    name: client.send(
                        "redemptions.redeem_many",
                        {"requests": [redemption(voucher=identities[name]) for _ in range(size)]},
                    )
                    for name, size in sizes.items()
                }
                ports = eventually(lambda: found if len(found := waiting_for_locks(url)) == 2 else [])
                children = [child_with_port(worker, port) for port in ports]
                # The answer cannot be stored, nor the message acknowledged, from here on.
                broker.client_pause(timeout=60_000, all=False)
            eventually(lambda: rows(url, "SELECT redemptions FROM vouchers WHERE name = 'Committed'") == [(20,)])
            for child in children:
                assert child
                child.kill()
            eventually(lambda: not any(child and lives(child) for child in children))
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
    """Two workers of one child each; what a worker has not acknowledged for seconds is delivered again."""
    variables = with_redis(database, number=PAIR) | SOON_AGAIN
    with ExitStack() as started:
        workers = [
            started.enter_context(Worker(folder=tmp_path / name, environment=variables, children=1))
            for name in ("one", "other")
        ]
        yield [worker.wait_ready() for worker in workers]


def test_what_a_killed_worker_held_is_delivered_again_and_answered_once(pair: list[Worker]) -> None:
    """It had begun one request and kept others ready; the other worker takes them all."""
    url = pair[0].environment["DATABASE_URL"]
    with Client(pair[0].environment) as client:
        identity = created(client)
        with holding(url, "SELECT 1 FROM vouchers FOR UPDATE"):
            sent = [client.send("redemptions.redeem", redemption(voucher=identity)) for _ in range(6)]
            ports = eventually(lambda: found if len(found := waiting_for_locks(url)) == 2 else [])
            # One that is between its queue and a worker could be lost with the worker.
            eventually(lambda: client.broker.messages() == len(sent))
            (victim,) = [worker for worker in pair if child_with_port(worker, ports[0])]
            victim.kill()
        answers = [client.answer(each) for each in sent]
        assert sorted(answer["redemptionNumber"] for answer in answers) == [1, 2, 3, 4, 5, 6]
        assert rows(url, "SELECT redemptions FROM vouchers") == [(6,)]
        (survivor,) = [worker for worker in pair if worker is not victim]
        survivor.settle()


def test_a_lock_that_is_held_too_long_refuses_nobody(impatient: tuple[Worker, Client]) -> None:
    """The tasks wait, give up, try again, and answer as if there had been no lock."""
    worker, client = impatient
    url = worker.environment["DATABASE_URL"]
    discount = granted(client, subscription="sub_1", name="Granted")
    identity = created(client, restrictions={"maximumRedemptions": 3})
    requests = {
        "redemptions.redeem_many": {"requests": [redemption(voucher=identity) for _ in range(3)]},
        "billing.apply": invoice(subscription="sub_1"),
    }
    with (
        holding(url, "SELECT 1 FROM vouchers FOR UPDATE"),
        holding(url, "SELECT 1 FROM discounts FOR UPDATE"),
    ):
        sent = {task: client.send(task, request) for task, request in requests.items()}
        eventually(lambda: all(client.broker.state(each)["status"] == "RETRY" for each in sent.values()))
        assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]
    answers = {task: client.answer(each) for task, each in sent.items()}
    decided = answers["redemptions.redeem_many"]["items"]
    assert [answer["redemptionNumber"] for answer in decided] == [1, 2, 3]
    assert [each["discount"] for each in answers["billing.apply"]["discounts"]] == [discount]
