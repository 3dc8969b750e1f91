"""The same request twice at the same time has one effect, and both copies get the same answer.

Each test holds a lock until both copies are inside their transactions, so that neither can see the other's answer.
"""

from contextlib import AbstractContextManager
from typing import Any

import psycopg

from tests.end_to_end.broker import Json, with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding, holding_voucher, holding_vouchers, rows, wait_for_locks
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher, granted_discount
from tests.support.requests import invoice, redemption, voucher_body
from tests.support.waiting import eventually

# A database of Valkey from which no worker reads.
UNREAD = 2


def answers_at_once(
    client: Client, url: str, hold: AbstractContextManager[psycopg.Connection], *sent: tuple[str, Json]
) -> list[Any]:
    """Send the requests, one to each child, while the lock `hold` keeps them from finishing; return their answers."""
    tasks: list[str] = []
    with hold:
        for task, request in sent:
            # Two requests sent at once would be gathered into one batch.
            tasks.append(client.send(task, request))
            wait_for_locks(url, count=len(tasks))
    return [client.answer(task) for task in tasks]


def test_two_sends_of_one_request_have_one_effect_and_one_answer(client: Client, url: str) -> None:
    """For example, a caller sends a request again after its own timeout."""
    request = redemption(voucher=created_voucher(client))
    task = "redemptions.redeem"
    first, second = answers_at_once(client, url, holding_vouchers(url), (task, request), (task, request))
    assert first == second
    assert (first["outcome"], first["redemptionNumber"]) == ("accepted", 1)
    assert rows(url, "SELECT redemptions FROM vouchers") == [(1,)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]


def test_two_copies_of_one_message_have_one_effect(client: Client, worker: Worker, url: str, log_since: int) -> None:
    """The same bytes twice, as in a redelivery after the visibility timeout."""
    voucher_id = created_voucher(client)
    unread = with_redis({"REDIS_URL": worker.environment["REDIS_URL"].rpartition("/")[0] + "/0"}, number=UNREAD)
    with Client(unread) as elsewhere:
        task_id = elsewhere.send("redemptions.redeem", redemption(voucher=voucher_id))
        message = elsewhere.broker.redis.rpop("redemptions")
    with holding_vouchers(url):
        for waiting in (1, 2):
            client.broker.redis.lpush("redemptions", str(message))
            wait_for_locks(url, count=waiting)
    eventually(lambda: worker.log[log_since:].count(f"redemptions.redeem[{task_id}] succeeded") == 2)
    assert client.answer(task_id)["redemptionNumber"] == 1
    assert rows(url, "SELECT redemptions FROM vouchers") == [(1,)]
    assert rows(url, "SELECT count(*) FROM redemptions") == [(1,)]


def test_two_batches_with_the_same_requests_in_opposite_orders_answer_alike(client: Client, url: str) -> None:
    """There is no deadlock, and each request is decided once."""
    voucher_ids = [created_voucher(client) for _ in range(5)]
    requests = [redemption(voucher=voucher_id) for voucher_id in voucher_ids for _ in range(10)]
    task = "redemptions.redeem_many"
    forwards, backwards = answers_at_once(
        client, url, holding_vouchers(url), (task, {"requests": requests}), (task, {"requests": requests[::-1]})
    )
    assert forwards["items"] == backwards["items"][::-1]
    assert {item["outcome"] for item in forwards["items"]} == {"accepted"}
    assert rows(url, "SELECT redemptions FROM vouchers") == [(10,)] * 5


def test_one_request_id_with_two_bodies_at_once_stands_for_one_of_them(client: Client, url: str) -> None:
    """The vouchers and the subscriptions differ too: only the id is the same."""
    requests = [redemption(voucher=created_voucher(client), requestId="order-1") for _ in range(2)]
    hold = holding(url, "LOCK TABLE redemptions IN SHARE MODE")
    answers = answers_at_once(client, url, hold, *(("redemptions.redeem", request) for request in requests))
    assert sorted(str(answer["reason"]) for answer in answers) == ["None", "idempotency_conflict"]
    (accepted,) = [answer for answer in answers if answer["outcome"] == "accepted"]
    stored = client.ask("redemptions.retrieve", {"project": "gigs", "requestId": "order-1"})
    assert stored == accepted
    assert sum(count for (count,) in rows(url, "SELECT redemptions FROM vouchers")) == 1


def test_an_invoice_that_is_sent_twice_at_once_is_discounted_once(client: Client, url: str) -> None:
    """Both wait for the discount's lock. The second finds the stored answer of the first."""
    granted_discount(client, subscription="sub_1", priceDiscount={"amount": 999, "currency": "USD"})
    request = invoice(subscription="sub_1")
    hold = holding(url, "SELECT 1 FROM discounts FOR UPDATE")
    first, second = answers_at_once(client, url, hold, ("billing.apply", request), ("billing.apply", request))
    assert first == second
    assert first["discountTotal"] == 999
    assert rows(url, "SELECT count(*), sum(amount_minor) FROM usage_entries") == [(1, 999)]


def test_two_invoices_of_one_period_at_once_share_a_fixed_amount(client: Client, url: str) -> None:
    """A fixed amount is granted once in a period, however many invoices the period has."""
    granted_discount(client, subscription="sub_1", priceDiscount={"amount": 999, "currency": "USD"})
    sent = [("billing.apply", invoice(lines=[{"id": "base", "amount": 700}])) for _ in range(2)]
    answers = answers_at_once(client, url, holding(url, "SELECT 1 FROM discounts FOR UPDATE"), *sent)
    assert sorted(answer["discountTotal"] for answer in answers) == [299, 700]


def test_invoices_without_a_discount_are_answered_alike_too(client: Client, url: str) -> None:
    """There is no discount to lock: only the unique key of the invoice keeps the copies apart."""
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
    """The second transaction to use the request id answers with the stored voucher of the first."""
    request = voucher_body(requestId="voucher-1", code="SUMMER")
    hold = holding(url, "LOCK TABLE vouchers IN SHARE MODE")
    first, second = answers_at_once(client, url, hold, ("vouchers.create", request), ("vouchers.create", request))
    assert first == second
    assert rows(url, "SELECT count(*) FROM vouchers") == [(1,)]


def test_a_voucher_that_is_retired_twice_at_once_is_retired_once(client: Client, url: str) -> None:
    """The reason and the instant of the first retirement stay."""
    reference = {"project": "gigs", "voucher": created_voucher(client)}
    sent = [("vouchers.retire", reference)] * 2
    first, second = answers_at_once(client, url, holding_vouchers(url), *sent)
    assert first == second
    assert first["retiredReason"] == "manualAction"


def test_two_sweeps_at_once_share_the_work_and_skip_locked_rows(client: Client, url: str) -> None:
    """Together they retire each voucher once. A voucher that a redemption has locked is left for the next run."""
    due = {"restrictions": {"expiresAt": "2020-01-01T00:00:00Z"}}
    held, *_ = created_voucher(client, name="Held", **due), *(created_voucher(client, **due) for _ in range(29))
    with holding_voucher(url, name="Held"):
        sweeps = [client.send("expiry.sweep", {}) for _ in range(4)]
        assert sum(client.answer(each)["expired"] for each in sweeps) == 29
    assert client.ask("vouchers.retrieve", {"project": "gigs", "voucher": held})["status"] == "available"
    assert client.ask("expiry.sweep", {})["expired"] == 1
    assert client.ask("expiry.sweep", {})["expired"] == 0
    swept = client.ask("vouchers.retrieve", {"project": "gigs", "voucher": held})
    assert (swept["retiredReason"], swept["retiredAt"]) == ("expired", "2020-01-01T00:00:00Z")
