"""The instants of a discount: when it was changed, completed and ended, each by the database's clock."""

from datetime import datetime
from typing import Any

import pytest

from tests.discounts.calls import grant
from tests.support.endings import end, end_subscription
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import FEBRUARY, MARCH, ONCE, refund, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

TWO_MONTHS = {"recurrence": {"type": "repeating", "durationInMonths": 2}}
BALANCE = {
    "recurrence": {"type": "forever"},
    "priceDiscount": {"amount": 800, "currency": "USD"},
    "carryOver": True,
}
# A window of two months that is over.
PAST = {"start": "2026-01-01", "end": "2026-02-01"}


def instants() -> tuple[Any, Any, Any]:
    """Return when the only discount of sub_1 was changed, completed and ended."""
    (item,) = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    return item["updatedAt"], item["completedAt"], item["endedAt"]


def test_a_new_discount_has_none():
    """Its own instant is `createdAt`."""
    grant()
    assert instants() == (None, None, None)


def test_an_invoice_changes_a_discount_that_takes_something_off():
    """At the instant of the application, and not by an invoice that is repeated or not discounted."""
    grant(create_voucher(**TWO_MONTHS)["id"])
    at = apply(invoice="inv_1")["appliedAt"]
    apply(invoice="inv_1")
    apply(trial=True)
    assert instants() == (at, None, None)
    at = apply(period=MARCH)["appliedAt"]
    assert instants() == (at, None, None)


def test_a_further_invoice_of_a_cycle_changes_a_discount_too():
    """It takes something off, although the discount shows the same cycles and window. So does its reversal."""
    grant(create_voucher(**TWO_MONTHS)["id"])
    apply(invoice="inv_1")
    at = apply(invoice="inv_2")["appliedAt"]
    assert instants() == (at, None, None)
    at = reverse("inv_2")["reversedAt"]
    assert instants() == (at, None, None)


@pytest.mark.parametrize("fields", [ONCE, BALANCE])
def test_the_invoice_that_uses_a_discount_up_completes_it(fields):
    """A reversal makes it run again, and the next invoice completes it again."""
    grant(create_voucher(**fields)["id"])
    at = apply(invoice="inv_1")["appliedAt"]
    assert instants() == (at, at, None)
    at = reverse("inv_1")["reversedAt"]
    assert instants() == (at, None, None)
    at = apply(invoice="inv_2")["appliedAt"]
    assert instants() == (at, at, None)


def test_a_refund_changes_no_discount():
    """It gives no cycle back."""
    grant(create_voucher(**ONCE)["id"])
    at = apply(invoice="inv_1")["appliedAt"]
    refund("inv_1", "r1", base=4000)
    assert instants() == (at, at, None)


def window_is_over() -> str:
    """Apply the only invoice of a window in the past, and return the instant."""
    grant(create_voucher(**TWO_MONTHS)["id"], startsOn="2026-01-01")
    at: str = apply(period=PAST)["appliedAt"]
    assert instants() == (at, None, None)
    return at


def test_a_sweep_completes_what_is_over_once():
    """At the instant of the sweep."""
    at = window_is_over()
    assert task_named("expiry.sweep")(request={})["completed"] == 1
    updated_at, completed_at, _ = swept = instants()
    assert updated_at == completed_at
    assert datetime.fromisoformat(completed_at) > datetime.fromisoformat(at)
    task_named("expiry.sweep")(request={})
    assert instants() == swept


def test_the_next_decision_on_the_subscription_completes_what_is_over():
    """At the instant of the decision."""
    window_is_over()
    at = redeem(code="UNKNOWN", subscription="sub_1")["decidedAt"]
    assert instants() == (at, at, None)


def test_a_late_invoice_changes_a_completed_discount_and_leaves_its_completion():
    """The window covers the period of the invoice."""
    window_is_over()
    task_named("expiry.sweep")(request={})
    _, completed_at, _ = instants()
    at = apply(period={"start": "2026-02-01", "end": "2026-03-01"})["appliedAt"]
    assert instants() == (at, completed_at, None)


def test_ending_leaves_the_instant_of_completion():
    """By `discounts.end`. A running discount has none."""
    redeemed = grant(create_voucher(**ONCE)["id"])
    completed_at = apply()["appliedAt"]
    at = end(redeemed["discount"])["endedAt"]
    assert instants() == (at, completed_at, at)


def test_ending_a_subscription_changes_its_discounts():
    """At the instant of the answer."""
    grant()
    at = end_subscription()["endedAt"]
    assert instants() == (at, None, at)


def test_a_reversal_of_an_ended_discount_leaves_its_end():
    """Its cycle is given back, which changes it."""
    redeemed = grant(create_voucher(**ONCE)["id"])
    completed_at = apply(invoice="inv_1")["appliedAt"]
    ended_at = end(redeemed["discount"])["endedAt"]
    at = reverse("inv_1")["reversedAt"]
    assert instants() == (at, completed_at, ended_at)


def test_a_discount_that_stays_completed_keeps_the_instant():
    """Its voucher runs on the subscription through another redemption, so the void does not make it run again."""
    voucher = create_voucher(**ONCE)["id"]
    grant(voucher)
    completed_at = apply(invoice="inv_1", period=FEBRUARY)["appliedAt"]
    grant(voucher)
    at = reverse("inv_1")["reversedAt"]
    items = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    assert [(each["status"], each["updatedAt"], each["completedAt"]) for each in items] == [
        ("running", None, None),
        ("completed", at, completed_at),
    ]
