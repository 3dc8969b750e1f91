"""Each check of returned places is made to fail."""

import pytest

from tasks.audit.returned_places import RETURNED_PLACE_CHECKS
from tests.audit.ledgers import begin_with_a_refund, broken, broken_by
from tests.support.database_between_tests import violations
from tests.support.requests import apply
from tests.support.reversals import MARCH, discount_row, grant, refund, reverse
from tests.support.tampering import tamper

CUSTOMER = "a customer's place is free when all was refunded, and only then"
# For each of the other checks, a change that breaks only that promise.
TAMPERING = {
    "a place is free again for a redemption that had one": "UPDATE returned_places SET customer = 'cus_other'",
    "the places that are free again are counted": "UPDATE vouchers SET places_returned = 0, redemptions = redemptions",
    "only what never took effect or was refunded in full gives a place back": """
        UPDATE discounts SET status = 'running', ended_at = NULL WHERE status = 'ended';
        DELETE FROM discount_changes WHERE kind = 'ended'
    """,
}
RETURNED = """
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    SELECT project, id, voucher_id, customer, 'customer', clock_timestamp() FROM discounts
"""


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert {*TAMPERING, CUSTOMER} == set(RETURNED_PLACE_CHECKS)


@pytest.mark.usefixtures("reversals")
@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}


@pytest.mark.usefixtures("tampered_database")
@pytest.mark.parametrize("what", ["a line is left", "an invoice is left", "it was given back", "it was charged back"])
def test_a_place_that_is_free_though_not_all_was_refunded_is_found(what):
    """In each case another rule keeps the customer's place taken."""
    begin_with_a_refund()
    if what == "an invoice is left":
        apply(invoice="inv_2", period=MARCH)
        refund("inv_2", "r2", base=8000)
    if what == "it was given back":
        apply(invoice="inv_2", period=MARCH)
        reverse("inv_2")
    if what == "it was charged back":
        reverse("inv_1", "charged_back")
    assert violations() == []
    tamper(RETURNED)
    assert CUSTOMER in broken()


@pytest.mark.usefixtures("tampered_database")
@pytest.mark.parametrize("also", ["SELECT 1", "UPDATE usage_reversals SET is_in_full = false"])
def test_a_place_that_is_not_free_though_all_was_refunded_is_found(also):
    """The check relies on the refunded lines, not on the ledger's mark `is_in_full`."""
    begin_with_a_refund()
    refund("inv_1", "r2", base=6000)
    assert violations() == []
    tamper("DELETE FROM returned_places")
    assert broken_by(also) == {CUSTOMER}


@pytest.mark.usefixtures("tampered_database")
def test_what_is_taken_off_after_a_place_was_freed_does_not_take_it_away():
    """The discount runs on and is charged back later, and the customer's place stays returned."""
    begin_with_a_refund()
    refund("inv_1", "r2", base=6000)
    apply(invoice="inv_2", period=MARCH)
    assert violations() == []
    reverse("inv_2", "charged_back")
    assert (violations(), discount_row().status) == ([], "running")


@pytest.mark.usefixtures("tampered_database")
def test_a_place_that_is_free_though_a_balance_was_refilled_is_found():
    """A refund in full goes back into the balance, so the customer's place stays taken."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD"}, carryOver=True)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 300}])
    refund("inv_1", "r1", base=300)
    assert violations() == []
    tamper(RETURNED)
    assert broken() == {"only what never took effect or was refunded in full gives a place back"}
