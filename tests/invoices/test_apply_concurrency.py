"""Apply discounts to invoices at the same moment, with real connections and commits."""

import pytest

from tests.support.concurrency import at_once, send
from tests.support.requests import create_voucher, invoice, redeem

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_one_invoice_delivered_many_times_at_once_is_discounted_once():
    """With a discount, whose row is locked, and without a discount, when only the unique constraint decides."""
    for subscription in ("sub_1", "sub_without"):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
        answers = at_once(send("billing.apply", [invoice(subscription=subscription)] * 16))
        assert all(answer == answers[0] for answer in answers)


def test_once_is_used_once_at_once():
    """Of sixteen invoices, exactly one is discounted."""
    redeem(voucher=create_voucher(recurrence={"type": "once"})["id"], subscription="sub_1")
    answers = at_once(send("billing.apply", [invoice() for _ in range(16)]))
    assert sorted(answer["discountTotal"] for answer in answers) == [0] * 15 + [800]


def test_invoices_of_one_period_share_an_allowance_at_once():
    """Sixteen invoices of 80.00 in the same period get 99.99 in all."""
    voucher = create_voucher(priceDiscount={"amount": 9999, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD")
    answers = at_once(send("billing.apply", [invoice() for _ in range(16)]))
    assert sorted(answer["discountTotal"] for answer in answers) == [0] * 14 + [1999, 8000]


def test_invoices_of_many_periods_share_a_balance_at_once():
    """Sixteen monthly invoices of 80.00 get 199.99 in all."""
    voucher = create_voucher(priceDiscount={"amount": 19_999, "currency": "USD"}, carryOver=True)
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD")
    periods = [{"start": f"20{year}-02-01", "end": f"20{year}-03-01"} for year in range(27, 43)]
    answers = at_once(send("billing.apply", [invoice(period=each) for each in periods]))
    assert sorted(answer["discountTotal"] for answer in answers) == [0] * 13 + [3999, 8000, 8000]
