"""The day `ends_on` itself: a discount runs until then, exclusive, swept or not."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.discounts.calls import grant
from tests.support.frozen_clock import clock_at
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import FEBRUARY, discount_row, reverse

# The audit would find what has ended in the future.
pytestmark = pytest.mark.usefixtures("tampered_database")

MONTH = {"recurrence": {"type": "repeating", "durationInMonths": 1}}
ENDS_ON = datetime(2027, 3, 1, tzinfo=UTC)
DAYS = [(ENDS_ON - timedelta(microseconds=1), True), (ENDS_ON, False)]


@pytest.mark.parametrize(("at", "runs"), DAYS)
def test_after_a_void_a_discount_runs_until_its_last_day(at, runs):
    """Another invoice of the cycle is left, so the window stays."""
    grant(create_voucher(**MONTH)["id"])
    for number in (1, 2):
        apply(invoice=f"inv_{number}", period=FEBRUARY)
    with clock_at(at):
        reverse("inv_2")
    assert discount_row().ends_on == ENDS_ON.date()
    assert discount_row().status == ("running" if runs else "completed")


@pytest.mark.parametrize(("at", "runs"), DAYS)
def test_a_voucher_is_redeemed_again_on_the_day_that_its_discount_ends(at, runs):
    """A day before, the voucher is applied already."""
    voucher = create_voucher(**MONTH)["id"]
    grant(voucher)
    apply(invoice="inv_1", period=FEBRUARY)
    with clock_at(at):
        assert redeem(voucher=voucher, subscription="sub_1")["reason"] == ("already_applied" if runs else None)


@pytest.mark.parametrize(("at", "runs"), DAYS)
def test_a_refusal_names_another_discount_until_its_last_day(at, runs):
    """After that, it has nothing left that could be moved."""
    voucher = create_voucher(**MONTH, restrictions={"maximumRedemptionsPerCustomer": 1})["id"]
    granted = grant(voucher, customer="cus_1")
    apply(invoice="inv_1", period=FEBRUARY)
    with clock_at(at):
        refused = redeem(voucher=voucher, customer="cus_1", subscription="sub_2")
    assert (refused["reason"], refused["discount"]) == (
        "customer_limit_reached",
        granted["discount"] if runs else None,
    )
