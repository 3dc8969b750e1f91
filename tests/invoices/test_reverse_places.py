"""`billing.reverse` returns the customer's place if all that was bought was refunded in full."""

import pytest

from tests.invoices.calls import LIMITED, redeem_again
from tests.support.requests import apply, redeem
from tests.support.reversals import FEBRUARY, MARCH, ONCE, UNPAID, grant, refund, reverse

pytestmark = pytest.mark.usefixtures("database")


def test_a_customers_place_is_returned_when_all_was_refunded_in_full():
    """A refund that is a unit short does not suffice. The voucher's place stays taken."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 3}, {"id": "seats", "amount": 20}])
    refund("inv_1", "r1", base=3)
    refund("inv_1", "r2", seats=19)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    refund("inv_1", "r3", seats=1)
    assert redeem_again(first)["redemptionNumber"] == 2
    assert redeem(voucher=first["voucher"])["reason"] == "max_redemptions_reached"


def test_a_refunded_balance_returns_no_place():
    """The refund went back into the balance. With a place too, a customer could collect one balance after the other."""
    first = grant(priceDiscount={"amount": 1_000, "currency": "USD"}, carryOver=True, **LIMITED)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 300}])
    refund("inv_1", "r1", base=300)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    assert apply(period=MARCH)["discountTotal"] == 1_000


def test_an_invoice_that_was_not_refunded_keeps_the_place():
    """When the other invoice is refunded too, the place is returned."""
    first = grant(**LIMITED)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    refund("inv_1", "r1", base=8000)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    refund("inv_2", "r2", base=8000)
    assert redeem_again(first)["outcome"] == "accepted"


@pytest.mark.parametrize("kind", UNPAID)
def test_a_voided_or_unpaid_invoice_does_not_keep_the_place(kind):
    """Of two invoices, the other was refunded in full."""
    first = grant(**LIMITED)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    refund("inv_1", "r1", base=8000)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    reverse("inv_2", kind)
    assert redeem_again(first)["outcome"] == "accepted"


@pytest.mark.parametrize("kind", UNPAID)
def test_giving_a_cycle_back_returns_no_place(kind):
    """The discount can be used, so neither the voucher nor the customer gets a place back."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1")
    reverse("inv_1", kind)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    redeem(voucher=first["voucher"])
    assert redeem(voucher=first["voucher"])["reason"] == "max_redemptions_reached"
