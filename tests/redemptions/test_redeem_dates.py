"""Redeem at an instant: windows, delays in the queue, clocks, and the first and the last day of a discount."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from tests.redemptions.outcomes import ago, retire
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("swept", [True, False])
def test_a_delay_of_the_queue_costs_the_customer_nothing_swept_or_not(swept):
    """`requestedAt` counts if it is at most 15 minutes old. Otherwise the decision's instant counts."""
    voucher = create_voucher(restrictions={"expiresAt": ago(5), "startsAt": ago(10)})
    if swept:
        task_named("expiry.sweep")(request={})
    assert redeem(voucher=voucher["id"])["reason"] == "voucher_expired"
    assert redeem(voucher=voucher["id"], requestedAt=ago(6))["outcome"] == "accepted"
    assert redeem(voucher=voucher["id"], requestedAt=ago(4))["reason"] == "voucher_expired"
    assert redeem(voucher=voucher["id"], requestedAt=ago(11))["reason"] == "voucher_not_started"
    assert redeem(voucher=voucher["id"], requestedAt=ago(16))["reason"] == "voucher_expired"
    assert redeem(voucher=voucher["id"], requestedAt=ago(-10))["reason"] == "voucher_expired"


def test_an_expired_voucher_that_fills_up_late_keeps_its_first_reason():
    """A sweep retires the voucher as expired. Then a request that waited in the queue takes the last place."""
    voucher = create_voucher(restrictions={"expiresAt": ago(5), "maximumRedemptions": 1})
    task_named("expiry.sweep")(request={})
    assert redeem(voucher=voucher["id"], requestedAt=ago(6))["redemptionNumber"] == 1
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (after["retiredReason"], after["redemptions"]) == ("expired", 1)


@pytest.mark.parametrize(
    ("fields", "before", "after"),
    [
        ({"startsOn": "2027-03-01"}, "2027-03-01", "2027-03-02"),
        ({"startsOn": "2027-03-01T23:00:00-05:00"}, "2027-03-01", "2027-03-02"),
        ({"requestedAt": "2027-03-01T01:00:00+09:00"}, "2027-03-01", "2027-03-02"),
    ],
)
def test_a_period_counts_from_the_redemption_on(fields, before, after):
    """A period must end after `startsOn` or, without that, after the day of `requestedAt` in its own offset."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], subscription="sub_1", **fields)
    (skipped,) = apply(period={"start": "2027-02-01", "end": before})["skipped"]
    assert skipped["reason"] == "before_start"
    assert apply(period={"start": "2027-02-01", "end": after})["discountTotal"] == 800


def test_without_dates_a_period_counts_from_the_day_of_the_decision():
    """The day is that in UTC."""
    voucher = create_voucher()
    decided_at = redeem(voucher=voucher["id"], subscription="sub_1")["decidedAt"]
    today = datetime.fromisoformat(decided_at).date()
    period = {"start": (today - timedelta(days=30)).isoformat(), "end": today.isoformat()}
    assert apply(period=period)["skipped"][0]["reason"] == "before_start"
    period["end"] = (today + timedelta(days=1)).isoformat()
    assert apply(period=period)["discountTotal"] == 800


@pytest.mark.parametrize("wrong", ["2000-01-01", "2090-01-01"])
def test_the_clock_of_the_database_decides(wrong):
    """A worker whose clock is decades off makes the same decisions."""
    is_open = create_voucher(restrictions={"startsAt": ago(5), "expiresAt": ago(-5)})
    is_over = create_voucher(restrictions={"expiresAt": ago(5)})
    is_early = create_voucher(restrictions={"startsAt": ago(-5)})
    with freeze_time(wrong):
        reasons = [redeem(voucher=each["id"])["reason"] for each in (is_open, is_over, is_early)]
    assert reasons == [None, "voucher_expired", "voucher_not_started"]


def test_a_voucher_can_run_again_after_its_discount_swept_or_not():
    """`once` is completed by its invoice. A window ends on its last day, whether or not a sweep has run."""
    once = create_voucher(recurrence={"type": "once"})
    window = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    for voucher in (once, window):
        redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-01-01")
    answer = apply(period={"start": "2026-01-01", "end": "2026-02-01"})
    assert len(answer["discounts"]) == 2
    for voucher in (once, window):
        assert redeem(voucher=voucher["id"], subscription="sub_1")["outcome"] == "accepted"
        assert redeem(voucher=voucher["id"], subscription="sub_1")["reason"] == "already_applied"


def test_once_is_completed_by_its_invoice_though_the_period_goes_on():
    """The discount has nothing left to take off."""
    voucher = create_voucher(recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="sub_1")
    # Without a period, the invoice is for today, which ends tomorrow.
    assert apply(period=None)["discountTotal"] == 800
    assert redeem(voucher=voucher["id"], subscription="sub_1")["outcome"] == "accepted"


def test_a_discount_no_longer_runs_on_the_day_that_its_window_ends():
    """The window is half-open: the day before is its last day."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInCycles": 1})
    today = datetime.now(UTC).date()
    start = today - timedelta(days=30)
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn=start.isoformat())
    apply(period={"start": start.isoformat(), "end": today.isoformat()})
    assert redeem(voucher=voucher["id"], subscription="sub_1")["outcome"] == "accepted"


def test_a_retired_voucher_leaves_its_discounts_running():
    """Only `discounts.end` and `subscriptions.end` end a discount."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], subscription="sub_1")
    retire(voucher)
    assert apply()["discountTotal"] == 800
