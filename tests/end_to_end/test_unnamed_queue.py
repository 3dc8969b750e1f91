"""A client that names no queue sends to Celery's own default, and gets the answers of the right queue."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.contract.page import Identities, steps
from tests.end_to_end.broker import UNNAMED, with_redis
from tests.end_to_end.busy_child import REDEEM, busy_child
from tests.end_to_end.client import ROUTES, Client
from tests.end_to_end.database import holding_vouchers, poisoned, rows
from tests.end_to_end.programs import SHORT_TIMEOUTS, Worker, scrip
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import create_voucher, invoice, redeem, redemption
from tests.support.waiting import eventually
from worker.fault_points import COUNTER, VARIABLE, FaultPoint

# Databases of Valkey.
DYING, LETTERS = 12, 13
# The worker of the Procfile that reads the queue.
ADMIN = ("admin", UNNAMED)
POISON = "cus_poison"


@pytest.fixture
def careless(worker: Worker) -> Iterator[Client]:
    """Yield a client of the worker that has no routes and names no queue."""
    with Client(worker.environment, routes=None) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("routes", [ROUTES, None], ids=["its own queue", "no queue"])
def test_each_example_of_the_contract_is_answered_through_the_broker(
    worker: Worker, routes: dict[str, Any] | None
) -> None:
    """Whether or not the client names the queue, the answers are those of the page."""
    identities = Identities()
    with Client(worker.environment, routes=routes) as client:
        for step in steps():
            answer = client.ask(step.task, identities.substitute(step.request))
            assert identities.differences(step.answer, answer) == [], step.task


def test_messages_without_a_queue_are_one_transaction(batching: tuple[Worker, Client]) -> None:
    """Together with those that came by their own queue."""
    worker, client = batching
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client)
    with Client(worker.environment, routes=None) as careless:
        with busy_child(worker, client):
            sent = [
                next(sender).send(REDEEM, redemption(voucher=voucher)) for sender in [cycle((careless, client))] * 60
            ]
            worker.eventually(lambda: client.broker.unacknowledged() == len(sent) + 1)
        assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 61))
    (instants,) = rows(url, "SELECT count(DISTINCT decided_at) FROM redemptions")[0]
    assert instants <= 3


def test_an_invalid_request_without_a_queue_fails_by_its_fields(careless: Client) -> None:
    """As in its own queue."""
    outcome = careless.outcome(careless.send(REDEEM, {"project": "gigs"}))
    assert outcome["result"]["exc_type"] == "InvalidRequest"


def test_an_unknown_task_without_a_queue_fails_by_its_name(careless: Client) -> None:
    """The queue is read, so its sender is told."""
    outcome = careless.outcome(careless.send("shop.note", {}))
    assert outcome["result"]["exc_type"] == "NotRegistered"


def send_gathered(client: Client, *, voucher: str, subscription: str, count: int) -> dict[str, list[str]]:
    """Send so many messages of each gathered task, and return their ids."""
    requests = {
        REDEEM: lambda: redemption(voucher=voucher),
        "redemptions.reserve": lambda: redemption(voucher=voucher),
        "billing.apply": lambda: invoice(subscription=subscription),
    }
    return {task: [client.send(task, request()) for _ in range(count)] for task, request in requests.items()}


def assert_decided_once(client: Client, sent: dict[str, list[str]], *, url: str) -> None:
    """Check that every message has its answer, and every request one effect."""
    redeemed = [client.answer(each)["redemptionNumber"] for each in sent[REDEEM]]
    # Another redemption granted the discount.
    assert len(set(redeemed)) == len(redeemed) == rows(url, "SELECT count(*) - 1 FROM redemptions")[0][0]
    assert {client.answer(each)["outcome"] for each in sent["redemptions.reserve"]} == {"accepted"}
    assert rows(url, "SELECT count(*) FROM holds") == [(len(sent["redemptions.reserve"]),)]
    assert {client.answer(each)["discountTotal"] for each in sent["billing.apply"]} == {800}
    assert rows(url, "SELECT count(*) FROM invoice_discounts") == [(len(sent["billing.apply"]),)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [FaultPoint.AFTER_FETCH, FaultPoint.BEFORE_COMMIT, FaultPoint.AFTER_COMMIT, FaultPoint.BEFORE_ACKNOWLEDGEMENT],
)
def test_no_message_without_a_queue_is_lost_or_doubled(
    database: dict[str, str], tmp_path: Path, point: FaultPoint
) -> None:
    """Each second process at that point dies, the worker is killed, and another one takes over."""
    variables = with_redis(database, number=DYING) | SHORT_TIMEOUTS | {"SCRIP_VISIBILITY_TIMEOUT_SECONDS": "1"}
    url, counter = database["DATABASE_URL"], tmp_path / "counter"
    voucher, subscription = create_voucher()["id"], "sub_billed"
    redeem(voucher=voucher, subscription=subscription)
    with Client(variables, routes=None) as client:
        dying = variables | {VARIABLE: f"{point}:kill:2", COUNTER: str(counter)}
        with Worker(folder=tmp_path / "dying", environment=dying, queues=ADMIN) as worker:
            worker.wait_ready()
            with holding_vouchers(url):
                sent = send_gathered(client, voucher=voucher, subscription=subscription, count=5)
                eventually(lambda: client.broker.unacknowledged() or not worker.is_alive())
            eventually(lambda: not worker.is_alive() or (counter.exists() and int(counter.read_text() or 0) > 1))
            worker.kill()
        with Worker(folder=tmp_path / "last", environment=variables, queues=ADMIN) as worker:
            assert_decided_once(client, sent, url=url)
            worker.wait_until_acknowledged()


@pytest.mark.slow
def test_a_dead_letter_without_a_queue_is_sent_again_to_its_own(database: dict[str, str], tmp_path: Path) -> None:
    """Also one that an earlier version kept with another queue."""
    variables, url = with_redis(database, number=LETTERS), database["DATABASE_URL"]
    with (
        Worker(folder=tmp_path / "admin", environment=variables, queues=ADMIN) as worker,
        Client(variables, routes=None) as client,
    ):
        worker.wait_ready()
        voucher = created_voucher(client)
        with poisoned(url, customer=POISON):
            sent = [client.send(REDEEM, redemption(voucher=voucher, customer=POISON)) for _ in range(2)]
            assert {client.outcome(each)["result"]["exc_type"] for each in sent} == {"GivenUp"}
        assert rows(url, "SELECT DISTINCT queue FROM dead_letters") == [("redemptions",)]
        rows(url, "UPDATE dead_letters SET queue = 'sweeps' WHERE task_id = %s RETURNING queue", sent[1])
        scrip(worker, "dead-letters", "retry", *sent)
        assert client.broker.waiting("redemptions") == len(sent)
        with Worker(folder=tmp_path / "redemptions", environment=variables, queues=("redemptions",)):
            eventually(lambda: all(client.broker.state(each)["status"] == "SUCCESS" for each in sent))
        assert rows(url, "SELECT redemptions FROM vouchers") == [(2,)]
