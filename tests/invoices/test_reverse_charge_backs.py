"""`billing.reverse` with `charged_back`: the cycle is given back, but the customer's place stays taken."""

from itertools import permutations

import pytest
from sqlalchemy import text

from tests.invoices.calls import LIMITED, redeem_again
from tests.support.endings import end_subscription, shown
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import FEBRUARY, MARCH, ONCE, UNPAID, discount_row, grant, refund, reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def charge_back(invoice_id: str = "inv_1", **fields) -> dict:
    """Reverse an invoice whose payment was charged back."""
    return reverse(invoice_id, "charged_back", **fields)


def items(**fields) -> list[dict]:
    """Return the discounts on a page."""
    page: dict[str, list[dict]] = task_named("discounts.list")(request={"project": "gigs", **fields})
    return page["items"]


def test_a_charge_back_gives_the_cycle_back_and_is_stored_as_such():
    """Both tables of reversals store that it was a charge-back."""
    grant(**ONCE)
    apply(invoice="inv_1")
    answer = charge_back()
    assert (answer["outcome"], answer["kind"], answer["discountTotal"]) == ("reversed", "charged_back", 800)
    assert (discount_row().status, discount_row().cycles) == ("running", 0)
    with transaction() as session:
        for table in ("invoice_reversals", "usage_reversals"):
            kinds = session.execute(text(f"SELECT kind FROM {table}")).scalars().all()  # noqa: S608 - our tables
            assert kinds == ["charged_back"]
    assert apply()["discountTotal"] == 800


def test_ending_returns_no_place_after_a_charge_back():
    """The voucher's place stays taken too."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1")
    charge_back()
    assert end_subscription()["placesReturned"] == 0
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    assert shown(first["voucher"])["redemptions"] == 1


def test_ending_returns_the_place_after_a_failed_payment():
    """The redemption never took effect."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1")
    reverse("inv_1", "payment_failed")
    assert end_subscription()["placesReturned"] == 1
    assert redeem_again(first)["outcome"] == "accepted"


def test_a_charge_back_keeps_the_place_whatever_else_is_refunded():
    """The customer's other invoice is refunded before and after the charge-back."""
    first = grant(**LIMITED)
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    refund("inv_2", "r1", base=4000)
    charge_back()
    refund("inv_2", "r2", base=4000)
    assert redeem_again(first)["reason"] == "customer_limit_reached"


def test_the_refund_of_an_invoice_billed_again_after_a_failed_payment_returns_the_place():
    """An invoice that was not paid bought nothing."""
    first = grant(**ONCE, **LIMITED)
    apply(invoice="inv_1")
    reverse("inv_1", "payment_failed")
    apply(invoice="inv_2")
    refund("inv_2", "r1", base=8000)
    assert redeem_again(first)["outcome"] == "accepted"


def test_the_rest_after_a_partial_refund_can_be_charged_back():
    """The rest of the discount is reversed once, and the cycle is given back."""
    first = grant(**ONCE, **LIMITED, priceDiscount={"amount": 701, "currency": "USD"})
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 8000}, {"id": "credit", "amount": -5}])
    part = refund("inv_1", "r1", base=3000)
    rest = charge_back()
    assert (part["discountTotal"], rest["discountTotal"]) == (263, 438)
    assert rest["lines"] == [
        {"id": "base", "amount": 5000, "discountShare": 438},
        {"id": "credit", "amount": -5, "discountShare": 0},
    ]
    assert charge_back(requestId="again") == rest
    assert refund("inv_1", "r2", base=1)["reason"] == "already_reversed"
    assert (discount_row().status, discount_row().cycles) == ("running", 0)
    assert redeem_again(first)["reason"] == "customer_limit_reached"
    assert end_subscription()["placesReturned"] == 0


def test_a_charge_back_leaves_out_a_discount_that_was_refunded_in_full():
    """Its cycle stays used, and its customer's place stays free."""
    limits = LIMITED["restrictions"]
    a, b = (create_voucher(restrictions={"products": [each], **limits})["id"] for each in ("prod_a", "prod_b"))
    for voucher, product in ((a, "prod_a"), (b, "prod_b")):
        redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01", products=[product])
    lines = [{"id": f"line_{each}", "amount": 8000, "product": f"prod_{each}"} for each in "ab"]
    apply(invoice="inv_1", lines=lines)
    refund("inv_1", "r1", line_a=8000)
    answer = charge_back()
    assert answer["lines"] == [{"id": "line_b", "amount": 8000, "discountShare": 800}]
    assert [each["voucher"] for each in answer["discounts"]] == [b]
    again = [redeem(voucher=a, customer="cus_1", products=["prod_a"]), redeem(voucher=b, customer="cus_1")]
    assert [each["reason"] for each in again] == [None, "customer_limit_reached"]
    rows = {each["voucher"]: each["cycles"] for each in items(subscription="sub_1")}
    assert rows == {a: 1, b: 0}


def test_an_invoice_that_was_refunded_in_full_cannot_be_charged_back():
    """A void and a failed payment after a refund are refused, too."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    refund("inv_1", "r1", base=8000)
    refund("inv_2", "r2", base=1)
    assert charge_back("inv_1")["reason"] == "already_refunded"
    assert [reverse("inv_2", kind)["reason"] for kind in UNPAID] == ["already_refunded"] * 2


def test_a_failed_payment_and_a_charge_back_exclude_each_other():
    """The second is refused, in either order."""
    grant()
    for number, kinds in enumerate(permutations(["payment_failed", "charged_back"])):
        apply(invoice=f"inv_{number}")
        first, other = (reverse(f"inv_{number}", kind) for kind in kinds)
        assert (first["outcome"], other["reason"]) == ("reversed", "already_reversed")
