"""`subscriptions.end` is final: nothing that comes late takes anything off on what it has ended."""

import pytest

from tests.support.endings import end_subscription, listed
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, GIVING_BACK, MARCH, ONCE, discount_row, grant, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

BALANCE = {"recurrence": {"type": "forever"}, "carryOver": True}


@pytest.mark.parametrize("reason", GIVING_BACK)
@pytest.mark.parametrize("fields", [ONCE, {**BALANCE, "priceDiscount": {"amount": 8000, "currency": "USD"}}])
def test_what_was_had_before_the_ending_does_not_come_back_with_its_invoice(fields, reason):
    """The cycle is given back, and nobody can have it."""
    grant(**fields)
    apply(invoice="inv_1")
    assert discount_row().status == "completed"
    assert [each["status"] for each in end_subscription()["discounts"]] == ["ended"]
    assert [(each["status"], each["cycles"]) for each in reverse("inv_1", reason)["discounts"]] == [("ended", 0)]
    assert apply(period=MARCH)["discounts"] == []


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_sweep_before_the_ending_changes_no_amount_after_it(is_swept):
    """Its window is over by the calendar: an invoice of a covered period that arrives after the ending gets nothing."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 2})["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2020-01-01")
    apply(period={"start": "2020-01-01", "end": "2020-02-01"})
    if is_swept:
        assert task_named("expiry.sweep")(request={})["completed"] == 1
    assert len(end_subscription()["discounts"]) == 1
    assert apply(period={"start": "2020-02-01", "end": "2020-03-01"})["discountTotal"] == 0


def test_one_that_is_completed_since_its_voucher_runs_again_is_ended_too():
    """It had a part of its balance back, and the voucher was redeemed again."""
    first = grant(**BALANCE, priceDiscount={"amount": 10_000, "currency": "USD"})
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    redeem(voucher=first["voucher"], subscription="sub_1", startsOn="2027-01-01", currency="USD")
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert len(end_subscription()["discounts"]) == 2
    assert listed(subscription="sub_1", status=["running", "completed"]) == []
    assert apply(period=APRIL)["discountTotal"] == 0
