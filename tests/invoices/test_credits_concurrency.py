"""Credits at the same moment as other requests, in threads with real commits. The audit follows each test."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tests.invoices.calls import refunded, reversal
from tests.support.concurrency import at_once, send, until_somebody_waits
from tests.support.credits import BALANCE, credit_line
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import MARCH, discount_row, grant
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def crediting(number: int, amount: int = 1_000, *, of: str = "inv_1", **fields: Any) -> dict[str, Any]:
    """Return a request of an invoice that credits an amount of another."""
    return invoice(invoice=f"crediting_{number}", lines=[credit_line(amount, of=of)], **fields)


def test_credits_and_refunds_at_once_never_exceed_the_line_and_add_up_to_the_discount():
    """Of 8 credits and 8 refunds of an eighth, 8 are made. Each request is sent twice and counts once."""
    grant(priceDiscount={"amount": 701, "currency": "USD"}, recurrence={"type": "forever"})
    apply(invoice="inv_1")
    requests = send("billing.apply", [crediting(number) for number in range(8)] * 2)
    requests += send("billing.reverse", [refunded(number) for number in range(8)] * 2)
    answers = at_once(requests)
    # A refused invoice is not stored, so it is judged again each time.
    made = {str(each.get("invoice")) + str(each.get("requestId")): each for each in answers if not each["reason"]}
    assert len(made) == 8
    assert {each["reason"] for each in answers} == {None, "amount_exceeds_line"}
    credited = sum(-each["discountTotal"] for each in made.values() if each["object"] == "invoiceDiscount")
    refunded_ = sum(each["discountTotal"] for each in made.values() if each["object"] == "reversal")
    assert credited + refunded_ == 701


def test_the_same_crediting_invoice_at_once_credits_once():
    """Each gets the same answer."""
    grant()
    apply(invoice="inv_1")
    answers = at_once(send("billing.apply", [crediting(1)] * 12))
    assert all(each == answers[0] for each in answers)
    assert discount_row().entries_credited == 1


def test_an_invoice_and_its_credit_at_once():
    """The credit is refused until its invoice is there, whatever the order in which both arrive."""
    grant()
    answers = at_once(send("billing.apply", [crediting(1)] * 4 + [invoice(invoice="inv_1")] * 4))
    assert {each["reason"] for each in answers} <= {None, "invoice_not_found"}
    assert apply(invoice="crediting_1", lines=[credit_line(1_000, of="inv_1")])["discountTotal"] == -100


def test_an_invoice_that_is_stored_during_the_wait_for_locks_is_credited():
    """The batch has the invoice and its credit. Another transaction has applied the invoice, and has not committed."""
    grant()
    first = invoice(invoice="inv_1")
    with transaction() as holder, ThreadPoolExecutor(1) as threads:
        apply_all(holder, [Apply.model_validate(first)])
        both = threads.submit(task_named("billing.apply_many"), request={"invoices": [first, crediting(1)]})
        until_somebody_waits(holder)
        holder.commit()
        assert [each["discountTotal"] for each in both.result()["items"]] == [800, -100]


def test_a_credit_and_the_void_of_its_invoice_at_once():
    """Either the credit comes first and the rest is voided, or it is refused."""
    grant()
    for number in range(6):
        apply(invoice=f"inv_{number}")
        requests = send("billing.apply", [crediting(number, of=f"inv_{number}")])
        requests += send("billing.reverse", [reversal(invoice=f"inv_{number}")])
        credited, voided = at_once(requests)
        assert (credited["reason"], voided["discountTotal"]) in {(None, 700), ("already_reversed", 800)}


def test_a_credit_is_reversed_while_its_invoice_is_reversed_too():
    """The crediting and the credited invoice are voided at once, in either order, and nothing is left of both."""
    grant()
    for number in range(6):
        apply(invoice=f"inv_{number}")
        apply(**crediting(number, of=f"inv_{number}"))
        both = [reversal(invoice=f"inv_{number}"), reversal(invoice=f"crediting_{number}")]
        voided, crediting_voided = at_once(send("billing.reverse", both))
        assert (voided["discountTotal"], crediting_voided["discountTotal"]) in {(800, -100), (700, 0)}


def test_a_balance_is_refilled_and_used_at_once_but_never_exceeded():
    """Credits of 5.00 each and invoices that would take more. The balance gives 50.00 in the end."""
    grant(**BALANCE)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 10_000}])
    requests = send("billing.apply", [crediting(number) for number in range(6)])
    requests += send("billing.apply", [invoice(period=MARCH) for _ in range(6)])
    answers = at_once(requests)
    assert {each["outcome"] for each in answers} == {"applied"}
    last = apply(period=MARCH, lines=[{"id": "base", "amount": 10_000}])["discountTotal"]
    assert sum(each["discountTotal"] for each in answers) + last == 0
    assert discount_row().status == "completed"


def test_credits_across_subscriptions_never_wait_for_each_other_in_a_circle():
    """Each of two subscriptions credits invoices of the other, in opposite orders."""
    for name in ("sub_1", "sub_2"):
        grant_on(name)
    for number in range(16):
        apply(invoice=f"a_{number}", subscription="sub_1")
        apply(invoice=f"b_{number}", subscription="sub_2")
    there = [
        {"invoices": [crediting(number, of=f"b_{number}", subscription="sub_1") for number in range(first, first + 4)]}
        for first in range(0, 16, 4)
    ]
    back = [
        {
            "invoices": [
                crediting(100 + number, of=f"a_{number}", subscription="sub_2")
                for number in reversed(range(first, first + 4))
            ]
        }
        for first in range(0, 16, 4)
    ]
    answers = at_once(send("billing.apply_many", [*there, *back]))
    assert [each["discountTotal"] for answer in answers for each in answer["items"]] == [-100] * 32


def grant_on(subscription: str) -> None:
    """Redeem a new voucher of 10 % on a subscription."""
    redeem(voucher=create_voucher()["id"], subscription=subscription, startsOn="2027-01-01")
