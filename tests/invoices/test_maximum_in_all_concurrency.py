"""A discount never gives more than its maximum in all, if many transactions take of it at once."""

import pytest

from tests.support.concurrency import at_once, send
from tests.support.requests import create_voucher, invoice, redeem

pytestmark = pytest.mark.usefixtures("wide_pool")


def grant(amount: int) -> None:
    """Grant half of everything on sub_1, up to an amount in all."""
    total = {"amount": amount, "currency": "USD"}
    voucher = create_voucher(priceDiscountPercentage=50, maximumDiscountInAll=total)["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01")


def test_invoices_at_once_share_the_total_to_the_last_unit():
    """Of 16 invoices, 3 get 40.00, 1 gets the rest of 5.00, and the others get nothing."""
    grant(12_500)
    answers = at_once(send("billing.apply", [invoice() for _ in range(16)]))
    assert sorted(each["discountTotal"] for each in answers) == [0] * 12 + [500] + [4_000] * 3


def test_one_invoice_delivered_many_times_at_once_takes_once():
    """Every copy gets the same answer, and the rest is there for the next invoice."""
    grant(5_000)
    answers = at_once(send("billing.apply", [invoice()] * 16))
    assert all(each == answers[0] for each in answers)
    assert answers[0]["discounts"][0]["debitBalance"] == 1_000


def test_refunds_and_invoices_at_once_never_give_more_than_the_total_net():
    """Each refund gives 20.00 back, which invoices may take. The audit after the test adds up the ledger."""
    grant(8_000)
    for number in range(2):
        at_once(send("billing.apply", [invoice(invoice=f"paid_{number}")]))
    refunds = [
        {
            "project": "gigs",
            "requestId": f"refund_{number}",
            "invoice": f"paid_{number}",
            "kind": "refunded",
            "lines": [{"id": "base", "amount": 4_000}],
        }
        for number in range(2)
    ]
    # Half of each is 30.00, so no number of them is the 40.00 that came back.
    lines = [{"id": "base", "amount": 6_000}]
    calls = [*send("billing.reverse", refunds), *send("billing.apply", [invoice(lines=lines) for _ in range(8)])]
    taken = sum(each["discountTotal"] for each in at_once(calls)[2:])
    rests = [at_once(send("billing.apply", [invoice(lines=lines)]))[0]["discountTotal"] for _ in range(2)]
    assert taken + sum(rests) == 4_000
