"""The audit works windows, refunds' shares and customers' places out anew: each check is made to fail."""

import pytest

from tasks.audit.audit import audit
from tasks.audit.places import PLACE_CHECKS
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import FEBRUARY, MARCH, discount_row, refund, reverse
from tests.support.tampering import tamper

WINDOW, RUNS, PLACE, SHARE = PLACE_CHECKS
MONTHS = {"recurrence": {"type": "repeating", "durationInMonths": 3}}
FREED = """
    INSERT INTO returned_places (project, discount_id, voucher_id, customer, kind, created_at)
    SELECT project, id, voucher_id, customer, 'customer', clock_timestamp() FROM discounts
"""
# For each check, what is granted, and a change that breaks its promise and no other.
TAMPERING = [
    (WINDOW, MONTHS, "UPDATE discounts SET ends_on = '2027-05-02'"),
    (WINDOW, {"recurrence": {"type": "once"}}, "UPDATE discounts SET ends_on = '2027-03-02'"),
    (RUNS, MONTHS, "UPDATE discounts SET status = 'completed'"),
    (RUNS, {"recurrence": {"type": "forever"}}, "UPDATE discounts SET status = 'completed'"),
    (RUNS, {"recurrence": {"type": "once"}}, "UPDATE discounts SET status = 'running'"),
    (
        SHARE,
        {"priceDiscount": {"amount": 694, "currency": "USD"}},
        """
        UPDATE usage_reversals SET amount_minor = -173;
        UPDATE invoice_reversals SET answer = replace(answer::text, '174', '173')::json,
               lines = replace(lines::text, '174', '173')::json
        """,
    ),
]


@pytest.fixture(autouse=True)
def emptied(tampered_database: dict[str, str]) -> None:
    """A database that is not audited after the test."""
    del tampered_database


def begin(**fields) -> None:
    """This function will redeem a new voucher and have two invoices discounted, of which one is refunded in part."""
    voucher = create_voucher(**{"restrictions": {"maximumRedemptionsPerCustomer": 1}, **fields})["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(invoice="inv_1", period=FEBRUARY)
    refund("inv_1", "r1", base=2000)
    assert audit() == []


def broken() -> set[str]:
    """This function will return the checks that find something."""
    found = audit()
    assert all(each.project == "gigs" and each.subject and each.detail for each in found)
    return {each.check for each in found}


@pytest.mark.parametrize(("check", "fields", "change"), TAMPERING)
def test_a_broken_promise_is_found_by_its_check_and_no_other(check, fields, change):
    """With its row."""
    begin(**fields)
    tamper(change)
    assert broken() == {check}


def test_a_discount_that_is_completed_before_its_invoice_is_found():
    """A once that nobody has had."""
    redeem(voucher=create_voucher(recurrence={"type": "once"})["id"])
    tamper("UPDATE discounts SET status = 'completed'")
    assert broken() == {RUNS}


@pytest.mark.parametrize("what", ["a line is left", "an invoice is left", "it was given back", "it was charged back"])
def test_a_place_that_is_free_though_not_all_was_refunded_is_found(what):
    """Each time another rule keeps it."""
    begin()
    if what == "an invoice is left":
        apply(invoice="inv_2", period=MARCH)
        refund("inv_2", "r2", base=8000)
    if what == "it was given back":
        apply(invoice="inv_2", period=MARCH)
        reverse("inv_2")
    if what == "it was charged back":
        reverse("inv_1", "payment_failed", chargedBack=True)
    assert audit() == []
    tamper(FREED)
    assert PLACE in broken()


@pytest.mark.parametrize("also", ["SELECT 1", "UPDATE usage_reversals SET is_in_full = false"])
def test_a_place_that_is_not_free_though_all_was_refunded_is_found(also):
    """Whatever the ledger's own mark says: the lines say so."""
    begin()
    refund("inv_1", "r2", base=6000)
    assert audit() == []
    tamper("DELETE FROM returned_places")
    tamper(also)
    assert broken() == {PLACE}


def test_what_is_taken_off_after_a_place_was_freed_does_not_take_it_away():
    """The discount runs on, and is charged back later: freed is freed."""
    begin()
    refund("inv_1", "r2", base=6000)
    apply(invoice="inv_2", period=MARCH)
    assert audit() == []
    reverse("inv_2", "payment_failed", chargedBack=True)
    assert (audit(), discount_row().status) == ([], "running")
