"""The same message twice at the same time: one effect, and both get the same answer.

Each test holds a lock until both copies are inside their transactions, so that neither can see the other's answer.
"""

from contextlib import AbstractContextManager
from typing import Any

import psycopg

from tests.end_to_end.requests import created, granted, voucher
from tests.end_to_end.running import Client, Json, Worker, eventually, holding, rows, wait_for_locks, with_redis
from tests.support.requests import invoice, redemption

# Nobody reads here.
UNREAD = 2


def held_voucher(url: str) -> AbstractContextManager[psycopg.Connection]:
    """This context will hold every voucher's row."""
    return holding(url, "SELECT 1 FROM vouchers FOR UPDATE")


def answers_at_once(
    client: Client, url: str, hold: AbstractContextManager[psycopg.Connection], *sent: tuple[str, Json]
) -> list[Any]:
    """This function will send the requests, one for each child, while `hold` lets none of them finish."""
    tasks: list[str] = []
    with hold:
        for task, request in sent:
            # Sent together, they would be one batch.
            tasks.append(client.send(task, request))
            wait_for_locks(url, count=len(tasks))
    return [client.answer(task) for task in tasks]


def test_two_sends_of_one_request_have_one_effect_and_one_answer(client: Client, url: str) -> None:
    """A caller that has lost patience sends it again."""
    request = redemption(voucher=created(client))
    task = "redemptions.redeem"
    first, second = answers_at_once(client, url, held_voucher(url), (task, request), (task, request))
    assert first == second
    assert (first["outcome"], first["redemptionNumber"]) == ("accepted", 1)
    assert rows(url, "SELECT redemptions FROM vouchers") == [(1,)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]


def test_two_copies_of_one_message_have_one_effect(client: Client, worker: Worker, url: str, log_since: int) -> None:
    """The very bytes twice, as a broker delivers them again after its visibility timeout."""
    identity = created(client)
    unread = with_redis({"REDIS_URL": worker.environment["REDIS_URL"].rpartition("/")[0] + "/0"}, number=UNREAD)
    with Client(unread) as elsewhere:
        task_id = elsewhere.send("redemptions.redeem", redemption(voucher=identity))
        message = elsewhere.broker.redis.rpop("redemptions")
    with held_voucher(url):
        for waiting in (1, 2):
            client.broker.redis.lpush("redemptions", str(message))
            wait_for_locks(url, count=waiting)
    eventually(lambda: worker.log[log_since:].count(f"redemptions.redeem[{task_id}] succeeded") == 2)
    assert client.answer(task_id)["redemptionNumber"] == 1
    assert rows(url, "SELECT redemptions FROM vouchers") == [(1,)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]


def test_two_batches_with_the_same_requests_in_opposite_orders_answer_alike(client: Client, url: str) -> None:
    """Neither waits for the other for ever, and each request is decided once."""
    identities = [created(client) for _ in range(5)]
    requests = [redemption(voucher=identity) for identity in identities for _ in range(10)]
    task = "redemptions.redeem_many"
    forwards, backwards = answers_at_once(
        client, url, held_voucher(url), (task, {"requests": requests}), (task, {"requests": requests[::-1]})
    )
    assert forwards["items"] == backwards["items"][::-1]
    assert {item["outcome"] for item in forwards["items"]} == {"accepted"}
    assert rows(url, "SELECT redemptions FROM vouchers") == [(10,)] * 5


def test_one_request_id_with_two_bodies_at_once_stands_for_one_of_them(client: Client, url: str) -> None:
    """Not even the vouchers and the subscriptions are the same: only the id collides."""
    requests = [redemption(voucher=created(client), requestId="order-1") for _ in range(2)]
    hold = holding(url, "LOCK TABLE redemptions IN SHARE MODE")
    answers = answers_at_once(client, url, hold, *(("redemptions.redeem", request) for request in requests))
    assert sorted(str(answer["reason"]) for answer in answers) == ["None", "idempotency_conflict"]
    (accepted,) = [answer for answer in answers if answer["outcome"] == "accepted"]
    stored = client.ask("redemptions.retrieve", {"project": "gigs", "requestId": "order-1"})
    assert stored == accepted
    assert sum(count for (count,) in rows(url, "SELECT redemptions FROM vouchers")) == 1


def test_an_invoice_that_is_sent_twice_at_once_is_discounted_once(client: Client, url: str) -> None:
    """Both wait for the discount; the second finds the first one's answer."""
    granted(client, subscription="sub_1", priceDiscount={"amount": 999, "currency": "USD"})
    request = invoice(subscription="sub_1")
    hold = holding(url, "SELECT 1 FROM discounts FOR UPDATE")
    first, second = answers_at_once(client, url, hold, ("billing.apply", request), ("billing.apply", request))
    assert first == second
    assert first["discountTotal"] == 999
    assert rows(url, "SELECT count(*), sum(amount_minor) FROM usage_entries") == [(1, 999)]


def test_two_invoices_of_one_period_at_once_share_a_fixed_amount(client: Client, url: str) -> None:
    """A fixed amount is one allowance for a period, however many invoices it is spread over."""
    granted(client, subscription="sub_1", priceDiscount={"amount": 999, "currency": "USD"})
    sent = [("billing.apply", invoice(lines=[{"id": "base", "amount": 700}])) for _ in range(2)]
    answers = answers_at_once(client, url, holding(url, "SELECT 1 FROM discounts FOR UPDATE"), *sent)
    assert sorted(answer["discountTotal"] for answer in answers) == [299, 700]


def test_invoices_without_a_discount_are_answered_alike_too(client: Client, url: str) -> None:
    """There is nothing to lock for them: the invoice's key alone keeps one of the two out."""
    requests = [invoice() for _ in range(3)]
    first, second = answers_at_once(
        client,
        url,
        holding(url, "LOCK TABLE invoice_discounts IN SHARE MODE"),
        ("billing.apply_many", {"invoices": requests}),
        ("billing.apply_many", {"invoices": requests[::-1]}),
    )
    assert first["items"] == second["items"][::-1]
    assert rows(url, "SELECT count(*) FROM invoice_discounts") == [(3,)]


def test_a_voucher_that_is_created_twice_at_once_is_one_voucher(client: Client, url: str) -> None:
    """Whoever loses the race for the request id answers what the winner stored."""
    request = voucher(requestId="voucher-1", code="SUMMER")
    hold = holding(url, "LOCK TABLE vouchers IN SHARE MODE")
    first, second = answers_at_once(client, url, hold, ("vouchers.create", request), ("vouchers.create", request))
    assert first == second
    assert rows(url, "SELECT count(*) FROM vouchers") == [(1,)]


def test_a_voucher_that_is_retired_twice_at_once_is_retired_once(client: Client, url: str) -> None:
    """The first reason and the first instant stay."""
    reference = {"project": "gigs", "voucher": created(client)}
    sent = [("vouchers.retire", reference)] * 2
    first, second = answers_at_once(client, url, held_voucher(url), *sent)
    assert first == second
    assert first["retiredReason"] == "manualAction"


def test_two_sweeps_at_once_share_the_work_and_leave_what_is_held(client: Client, url: str) -> None:
    """Between them they retire each voucher once; the one that a redemption holds is left for the next run."""
    due = {"restrictions": {"expiresAt": "2020-01-01T00:00:00Z"}}
    held, *_ = created(client, name="Held", **due), *(created(client, **due) for _ in range(29))
    with holding(url, "SELECT 1 FROM vouchers WHERE name = 'Held' FOR UPDATE"):
        sweeps = [client.send("expiry.sweep", {}) for _ in range(4)]
        assert sum(client.answer(each)["expired"] for each in sweeps) == 29
    assert client.ask("vouchers.retrieve", {"project": "gigs", "voucher": held})["status"] == "available"
    assert client.ask("expiry.sweep", {})["expired"] == 1
    assert client.ask("expiry.sweep", {})["expired"] == 0
    swept = client.ask("vouchers.retrieve", {"project": "gigs", "voucher": held})
    assert (swept["retiredReason"], swept["retiredAt"]) == ("expired", "2020-01-01T00:00:00Z")
