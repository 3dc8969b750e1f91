"""A message that fails because of a fault of Scrip is kept unchanged, and can be sent again."""

import json

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.database import holding, poisoned, rows
from tests.end_to_end.programs import Worker, scrip
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption

pytestmark = pytest.mark.slow

POISON = "cus_poison"


def test_a_bulk_request_that_fails_is_kept_whole(client: Client, worker: Worker, log_since: int) -> None:
    """The database refuses the row of one item, so all items fail. Sent again, all are answered."""
    url = worker.environment["DATABASE_URL"]
    voucher_id = created_voucher(client)
    requests = [redemption(voucher=voucher_id) for _ in range(3)]
    requests[1]["customer"] = POISON
    with poisoned(url, customer=POISON):
        sent = client.send("redemptions.redeem_many", {"requests": requests})
        outcome = client.outcome(sent)
        kept = worker.eventually(lambda: rows(url, "SELECT task_id, project, task, attempts FROM dead_letters"))
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "GivenUp")
    assert kept == [(sent, "", "redemptions.redeem_many", 3)]
    assert rows(url, "SELECT * FROM redemptions") == []
    assert POISON not in json.dumps(outcome) + worker.log[log_since:]
    scrip(worker, "dead-letters", "retry", sent)
    worker.eventually(lambda: client.broker.state(sent)["status"] == "SUCCESS")
    assert [item["redemptionNumber"] for item in client.answer(sent)["items"]] == [1, 2, 3]
    assert rows(url, "SELECT * FROM dead_letters") == []


def test_a_message_of_any_other_task_is_kept_too(client: Client, worker: Worker) -> None:
    """The dead letter has the project, for the operator to find it. The reason shows no value of the request."""
    url = worker.environment["DATABASE_URL"]
    voucher_id = created_voucher(client)
    place = {"project": "gigs", "requestId": "order-1", "customer": POISON, "subscription": "sub_1"}
    hold = client.answer(client.send("redemptions.reserve", {**place, "voucher": voucher_id}))
    with poisoned(url, customer=POISON):
        sent = client.send("redemptions.confirm", {"project": "gigs", "hold": hold["id"]})
        assert client.outcome(sent)["status"] == "FAILURE"
        (kept,) = worker.eventually(lambda: rows(url, "SELECT task_id, project, reason FROM dead_letters"))
    assert kept[:2] == (sent, "gigs")
    assert "23514" in kept[2]
    assert POISON not in kept[2]
    scrip(worker, "dead-letters", "discard", "--yes", sent)
    assert rows(url, "SELECT * FROM dead_letters") == []


def test_a_message_that_cannot_be_kept_yet_is_retried(impatient: tuple[Worker, Client]) -> None:
    """Until the dead letter is stored, the message is not acknowledged and the caller is not told of a failure."""
    worker, client = impatient
    url, since = worker.environment["DATABASE_URL"], len(worker.log)
    requests = [redemption(voucher=created_voucher(client), customer=POISON)]
    with poisoned(url, customer=POISON):
        with holding(url, "LOCK TABLE dead_letters"):
            sent = client.send("redemptions.redeem_many", {"requests": requests})
            worker.eventually(lambda: "is tried again in" in worker.log[since:])
        assert client.outcome(sent)["result"]["exc_type"] == "GivenUp"
    assert rows(url, "SELECT task_id FROM dead_letters") == [(sent,)]


@pytest.mark.parametrize(
    ("task", "request_body"),
    [
        pytest.param("vouchers.create", {"project": "gigs"}, id="bad input"),
        pytest.param("redemptions.retrieve", {"project": "gigs", "requestId": "none"}, id="an unknown id"),
    ],
)
def test_a_message_that_fails_by_the_callers_fault_is_not_kept(
    client: Client, worker: Worker, task: str, request_body: dict[str, str]
) -> None:
    """The caller is told. Sent again, the message would fail in the same way."""
    outcome = client.outcome(client.send(task, request_body))
    assert outcome["status"] == "FAILURE"
    worker.wait_until_acknowledged()
    assert json.loads(scrip(worker, "dead-letters", "list").stdout or "[]") == []
    assert rows(worker.environment["DATABASE_URL"], "SELECT * FROM dead_letters") == []
