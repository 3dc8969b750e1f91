"""`discounts.end`: an ended discount takes nothing off, and no reversal undoes that."""

import pytest

from tasks.wire.errors import NotFound
from tests.discounts.calls import grant
from tests.support.endings import end, listed
from tests.support.requests import apply, create_voucher
from tests.support.reversals import reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

ONCE = {"recurrence": {"type": "once"}}
UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"


@pytest.mark.parametrize("fields", [{}, ONCE, {"recurrence": {"type": "repeating", "durationInMonths": 3}}])
def test_an_ended_discount_takes_nothing_off_any_more(fields):
    """The period of the invoice does not matter. An invoice discounted before keeps its answer."""
    redeemed = grant(create_voucher(**fields)["id"])
    later = {"start": "2027-03-01", "end": "2027-04-01"}
    first = apply(invoice="inv_1", period=later)
    answer = end(redeemed["discount"])
    assert (answer["status"], answer["endedAt"] is not None) == ("ended", True)
    assert [apply(period=later)["discounts"], apply()["discounts"]] == [[], []]
    assert apply(invoice="inv_1", period=later) == first


def test_ending_twice_changes_nothing():
    """The second request has the same request id, another, or none."""
    redeemed = grant()
    first = end(redeemed["discount"], requestId="r1")
    assert [end(redeemed["discount"], **each) for each in ({}, {"requestId": "r1"}, {"requestId": "r2"})] == [first] * 3
    other = grant(subscription="sub_2")
    assert end(other["discount"], requestId="r1")["reason"] == "idempotency_conflict"
    assert listed(subscription="sub_2", status=["running"]) == [other["discount"]]


def test_an_ended_discount_no_longer_counts_on_its_subscription():
    """The same voucher can be redeemed there again."""
    redeemed = grant()
    assert grant(redeemed["voucher"])["reason"] == "already_applied"
    end(redeemed["discount"])
    assert grant(redeemed["voucher"])["outcome"] == "accepted"


@pytest.mark.parametrize("kind", ["voided", "payment_failed"])
@pytest.mark.parametrize("fields", [{}, ONCE, {"recurrence": {"type": "repeating", "durationInCycles": 1}}])
def test_a_later_reversal_never_undoes_the_end(kind, fields):
    """The cycle is given back, and the discount stays ended."""
    redeemed = grant(create_voucher(**fields)["id"])
    apply(invoice="inv_1")
    ended = end(redeemed["discount"])
    answer = reverse("inv_1", kind)
    assert [(each["status"], each["cycles"]) for each in answer["discounts"]] == [("ended", 0)]
    assert apply()["discounts"] == []
    assert end(redeemed["discount"])["endedAt"] == ended["endedAt"]


def test_an_unknown_discount_is_not_found():
    """An unknown id, or the discount of another project, ends nothing."""
    redeemed = grant()
    for body in ({"discount": UNKNOWN}, {"discount": redeemed["discount"], "project": "other"}):
        with pytest.raises(NotFound, match="discount"):
            task_named("discounts.end")(request={"project": "gigs", **body})
    assert listed(subscription="sub_1", status=["running"]) == [redeemed["discount"]]
