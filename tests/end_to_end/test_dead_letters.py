"""What fails for a reason of ours, by itself or in bulk, is kept as it was sent and can be sent again."""

import json

import pytest

from tests.end_to_end.requests import created
from tests.end_to_end.running import Client, Worker, holding, poisoned, rows, scrip
from tests.support.requests import redemption

POISON = "cus_poison"


def test_a_bulk_request_that_fails_is_kept_whole(client: Client, worker: Worker, log_since: int) -> None:
    """One bad row of the database's refuses all of them, and none is gone: sent again, all are answered."""
    url = worker.environment["DATABASE_URL"]
    identity = created(client)
    requests = [redemption(voucher=identity) for _ in range(3)]
    requests[1]["customer"] = POISON
    with poisoned(url, customer=POISON):
        sent = client.send("redemptions.redeem_many", {"requests": requests})
        outcome = client.outcome(sent)
        kept = worker.while_it_lives(lambda: rows(url, "SELECT task_id, project, task, attempts FROM dead_letters"))
    assert (outcome["status"], outcome["result"]["exc_type"]) == ("FAILURE", "Undecided")
    assert kept == [(sent, "", "redemptions.redeem_many", 1)]
    assert rows(url, "SELECT * FROM redemptions") == []
    assert POISON not in json.dumps(outcome) + worker.log[log_since:]
    scrip(worker, "dead-letters", "retry", sent)
    worker.while_it_lives(lambda: client.broker.state(sent)["status"] == "SUCCESS")
    assert [item["redemptionNumber"] for item in client.answer(sent)["items"]] == [1, 2, 3]
    assert rows(url, "SELECT * FROM dead_letters") == []


def test_so_is_any_other_task(client: Client, worker: Worker) -> None:
    """With its project, by which whoever looks finds it; what it says of the fault has nothing in it of the request."""
    url = worker.environment["DATABASE_URL"]
    identity = created(client)
    place = {"project": "gigs", "requestId": "order-1", "customer": POISON, "subscription": "sub_1"}
    hold = client.answer(client.send("redemptions.reserve", {**place, "voucher": identity}))
    with poisoned(url, customer=POISON):
        sent = client.send("redemptions.confirm", {"project": "gigs", "hold": hold["id"]})
        assert client.outcome(sent)["status"] == "FAILURE"
        (kept,) = worker.while_it_lives(lambda: rows(url, "SELECT task_id, project, reason FROM dead_letters"))
    assert kept[:2] == (sent, "gigs")
    assert "23514" in kept[2]
    assert POISON not in kept[2]
    scrip(worker, "dead-letters", "discard", sent)
    assert rows(url, "SELECT * FROM dead_letters") == []


def test_what_cannot_be_kept_yet_is_tried_again(impatient: tuple[Worker, Client]) -> None:
    """Until it is kept, the message is not acknowledged and its sender is not told that it has failed."""
    worker, client = impatient
    url, since = worker.environment["DATABASE_URL"], len(worker.log)
    requests = [redemption(voucher=created(client), customer=POISON)]
    with poisoned(url, customer=POISON):
        with holding(url, "LOCK TABLE dead_letters"):
            sent = client.send("redemptions.redeem_many", {"requests": requests})
            worker.while_it_lives(lambda: "retry: Retry in" in worker.log[since:])
        assert client.outcome(sent)["result"]["exc_type"] == "Undecided"
    assert rows(url, "SELECT task_id FROM dead_letters") == [(sent,)]


@pytest.mark.parametrize(
    ("task", "request_body"),
    [
        pytest.param("vouchers.create", {"project": "gigs"}, id="bad input"),
        pytest.param("redemptions.retrieve", {"project": "gigs", "requestId": "none"}, id="nothing of that name"),
    ],
)
def test_what_is_the_callers_own_fault_is_not_kept(
    client: Client, worker: Worker, task: str, request_body: dict[str, str]
) -> None:
    """The caller is told, and would be told the same again."""
    outcome = client.outcome(client.send(task, request_body))
    assert outcome["status"] == "FAILURE"
    worker.settle()
    assert json.loads(scrip(worker, "dead-letters", "list").stdout or "[]") == []
    assert rows(worker.environment["DATABASE_URL"], "SELECT * FROM dead_letters") == []
