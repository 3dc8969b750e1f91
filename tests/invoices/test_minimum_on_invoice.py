"""`minimumSubtotal` on `invoice`: each invoice must reach it, and not the purchase of the redemption."""

from typing import Any

import pytest

from tests.invoices.calls import grant
from tests.invoices.previews import look
from tests.support.holds import confirm, reserve
from tests.support.imports import import_discount
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def minimum(amount: int = 8_000, currency: str = "USD", **restrictions: Any) -> dict:
    """Return the restrictions of a voucher with that minimum of each invoice."""
    return {"minimumSubtotal": {"amount": amount, "currency": currency, "on": "invoice"}, **restrictions}


def update(voucher: str, **restrictions: Any) -> dict:
    """Update the restrictions of a voucher."""
    request = {"project": "gigs", "voucher": voucher, "restrictions": restrictions}
    answer: dict = task_named("vouchers.update")(request=request)
    return answer


def outcome(**fields: Any) -> int | str:
    """Return the discount of an invoice, or the reason why the only discount was skipped."""
    answer = apply(**fields)
    return str(answer["skipped"][0]["reason"]) if answer["skipped"] else int(answer["discountTotal"])


def test_the_minimum_is_shown_with_its_place():
    """Of the redemption, unless the voucher says otherwise, and of a discount only if it is one of invoices."""
    for on in ("redemption", "invoice"):
        amount = {"amount": 1, "currency": "USD"}
        voucher = create_voucher(
            restrictions={"minimumSubtotal": {**amount, **({"on": on} if on == "invoice" else {})}}
        )
        assert voucher["restrictions"]["minimumSubtotal"] == {**amount, "on": on}
        redeem(voucher=voucher["id"], subscription=f"sub_{on}", currency="USD", subtotal=1)
        (discount,) = task_named("discounts.list")(request={"project": "gigs", "subscription": f"sub_{on}"})["items"]
        assert discount["minimumSubtotal"] == ({**amount, "on": on} if on == "invoice" else None)


def test_an_invoice_below_the_minimum_is_skipped():
    """The redemption needs no amount. An invoice that is skipped starts nothing."""
    grant(restrictions=minimum(), recurrence={"type": "once"})
    assert outcome(lines=[{"id": "base", "amount": 7_999}]) == "minimum_subtotal_not_met"
    assert outcome() == 800


def test_an_invoice_in_another_currency_is_skipped():
    """No minimum is known there."""
    grant(restrictions=minimum(1))
    assert outcome(currency="EUR") == "minimum_subtotal_not_met"


def test_the_lines_count_that_the_discount_is_for():
    """Not those of other products, credits, and lines that are not discountable."""
    voucher = create_voucher(restrictions=minimum(products=["prod_a"]))["id"]
    redeem(voucher=voucher, subscription="sub_1", products=["prod_a"], startsOn="2027-01-01")
    own = {"id": "own", "amount": 7_999, "product": "prod_a"}
    others = [
        {"id": "other", "amount": 9_000, "product": "prod_b"},
        {"id": "tax", "amount": 9_000, "product": "prod_a", "discountable": False},
        {"id": "credit", "amount": -1_000, "product": "prod_a"},
    ]
    assert outcome(lines=[own, *others]) == "minimum_subtotal_not_met"
    assert outcome(lines=[{**own, "amount": 8_000}, *others]) == 800


def test_lines_of_excluded_products_do_not_count():
    """As they are not discounted."""
    grant(restrictions=minimum(excludedProducts=["prod_b"]))
    lines = [{"id": "own", "amount": 7_999}, {"id": "excluded", "amount": 9_000, "product": "prod_b"}]
    assert outcome(lines=lines) == "minimum_subtotal_not_met"
    assert outcome(lines=[{**lines[0], "amount": 8_000}, lines[1]]) == 800


def test_an_imported_discount_has_the_minimum_of_its_voucher():
    """It was redeemed elsewhere, and its invoices are here."""
    import_discount(create_voucher(restrictions=minimum(8_001))["id"])
    assert outcome() == "minimum_subtotal_not_met"


def test_the_amounts_before_other_discounts_count():
    """Also if an earlier discount leaves less than the minimum."""
    grant(priceDiscountPercentage=50, priority=0)
    grant(restrictions=minimum())
    assert [each["amount"] for each in apply()["discounts"]] == [4_000, 400]


def test_a_preview_skips_it_for_good():
    """The plan has the same lines in each period, so the full price applies from the first."""
    grant(restrictions=minimum(8_001))
    answer = look(periods=2)
    assert [each["skipped"][0]["reason"] for each in answer["periods"]] == ["minimum_subtotal_not_met"] * 2
    assert answer["fullPriceFrom"] == "2027-01-01"


def test_a_discount_keeps_the_minimum_of_its_redemption():
    """Later discounts of the voucher have the new one."""
    voucher = create_voucher(restrictions=minimum())["id"]
    redeem(voucher=voucher, subscription="sub_1")
    update(voucher, **minimum(8_001))
    redeem(voucher=voucher, subscription="sub_2")
    assert outcome(subscription="sub_1") == 800
    assert outcome(subscription="sub_2") == "minimum_subtotal_not_met"


def test_the_minimum_of_invoices_is_fixed_while_a_place_is_held():
    """The discount copies it when the hold is confirmed. The minimum of redemptions can be changed."""
    usual = create_voucher(restrictions={"minimumSubtotal": {"amount": 1, "currency": "USD"}})["id"]
    reserve(voucher=usual, currency="USD", subtotal=1)
    assert update(usual, minimumSubtotal={"amount": 2, "currency": "USD"})["status"] == "available"
    assert update(usual, **minimum(2))["reason"] == "voucher_held"
    voucher = create_voucher(restrictions=minimum())["id"]
    hold = reserve(voucher=voucher)
    for changed in (minimum(8_001), minimum(currency="EUR"), {"minimumSubtotal": None}):
        assert update(voucher, **changed)["reason"] == "voucher_held"
    confirm(hold)
    assert update(voucher, minimumSubtotal=None)["restrictions"]["minimumSubtotal"] is None
