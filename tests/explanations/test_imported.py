"""Explanations of discounts that ran in another system before."""

import pytest

from tests.explanations.calls import CLOCKED, explained, said
from tests.support.imports import BALANCE, JANUARY, ONE_CYCLE, TWO_CYCLES, import_discount
from tests.support.requests import apply, create_voucher
from tests.support.reversals import FEBRUARY, MARCH

pytestmark = pytest.mark.usefixtures("database")

CYCLES = {"recurrence": {"type": "repeating", "durationInCycles": 2}}


def test_a_discount_tells_where_it_came_from_and_what_is_left():
    """`given` is what it gave here, and the balance is without what was taken elsewhere."""
    import_discount(create_voucher(**BALANCE)["id"], **ONE_CYCLE, taken={"USD": 3_000})
    apply(period=FEBRUARY)
    explanation = explained(customer="cus_1")
    (request,), (discount,) = explanation["requests"], explanation["discounts"]
    assert request["text"] == "Redeemed in another system, and imported as redemption 1 of the voucher."
    assert discount["imported"] == {"ref": "di_1", "cycles": 1, "taken": {"USD": 3_000}}
    assert (discount["given"], discount["balanceLeft"]) == ({"USD": 7_000}, {"USD": 0})
    assert CLOCKED.sub("<instant>", discount["text"]) == (
        "A balance of USD 100.00, for ever. "
        "It came from another system on <instant>, where it had discounted 1 billing cycle. "
        "It is over: its balance of USD 100.00 is used up."
    )


def test_a_discount_that_had_begun_nowhere_has_no_cycles_to_tell():
    """It begins here."""
    import_discount(create_voucher(**BALANCE)["id"])
    (discount,) = explained(subscription="sub_1")["discounts"]
    assert "It came from another system on" in discount["text"]
    assert "where it had" not in discount["text"]


def test_a_discount_that_came_after_the_invoice_says_so():
    """It was redeemed long before, but elsewhere."""
    apply(invoice="inv_1", period=FEBRUARY)
    discount = import_discount(**ONE_CYCLE)["discount"]
    text = "It took nothing off, because it came from another system on <instant>, after the invoice."
    assert said("inv_1", discount) == ("not_listed", "imported_later", text)


def test_a_discount_that_was_over_elsewhere_is_over_here():
    """It never took anything here."""
    discount = import_discount(create_voucher(**CYCLES)["id"], **TWO_CYCLES)["discount"]
    apply(invoice="inv_1", period=MARCH)
    text = "It took nothing off, because it is for 2 billing cycles, which had been discounted before."
    assert said("inv_1", discount) == ("not_listed", "completed", text)


def test_a_cycle_that_another_system_has_discounted_has_nothing_left_of_a_fixed_amount():
    """The sentence is that of any other invoice of the cycle."""
    discount = import_discount(create_voucher(priceDiscount={"amount": 500, "currency": "USD"})["id"], **ONE_CYCLE)
    apply(invoice="inv_1", period=JANUARY)
    text = "It took nothing off: its USD 5.00 was used in the same cycle, or the lines had nothing left."
    assert said("inv_1", discount["discount"]) == ("skipped", "nothing_left", text)
