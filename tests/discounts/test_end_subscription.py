"""`subscriptions.end`: all discounts end, and the places of redemptions that never took effect are returned."""

import pytest

from tests.discounts.calls import grant
from tests.support.endings import end_subscription, listed
from tests.support.requests import apply, create_voucher, redeem, redemption
from tests.support.reversals import APRIL, FEBRUARY, GIVING_BACK, MARCH, ONCE, discount_row, reverse
from tests.support.reversals import grant as grant_new_voucher
from tests.support.statements import counted
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

BALANCE = {"recurrence": {"type": "forever"}, "carryOver": True}


def test_a_subscription_ends_with_all_its_discounts():
    """The discounts of other subscriptions run on. A second request ends nothing."""
    mine = [grant()["discount"] for _ in range(3)]
    other = grant(subscription="sub_2")["discount"]
    apply(invoice="inv_1")
    answer = end_subscription()
    assert (answer["outcome"], [each["id"] for each in answer["discounts"]]) == ("ended", mine[::-1])
    assert {each["status"] for each in answer["discounts"]} == {"ended"}
    assert answer["placesReturned"] == 0
    assert apply()["discounts"] == []
    assert (end_subscription()["discounts"], end_subscription("sub_unknown")["discounts"]) == ([], [])
    assert listed(subscription="sub_2", status=["running"]) == [other]


def test_ending_a_subscription_again_under_its_request_id_has_no_second_effect():
    """A later redemption runs on, and another body under the request id is a conflict."""
    grant()
    first = end_subscription(requestId="r1")
    again = grant()
    assert end_subscription(requestId="r1") == first
    assert end_subscription("sub_2", requestId="r1")["reason"] == "idempotency_conflict"
    assert listed(subscription="sub_1", status=["running"]) == [again["discount"]]


@pytest.mark.parametrize("kind", GIVING_BACK)
@pytest.mark.parametrize("fields", [ONCE, {**BALANCE, "priceDiscount": {"amount": 8000, "currency": "USD"}}])
def test_a_reversal_after_the_end_brings_no_discount_back(fields, kind):
    """The cycle is given back, but the discount stays ended."""
    grant_new_voucher(**fields)
    apply(invoice="inv_1")
    assert discount_row().status == "completed"
    assert [each["status"] for each in end_subscription()["discounts"]] == ["ended"]
    assert [(each["status"], each["cycles"]) for each in reverse("inv_1", kind)["discounts"]] == [("ended", 0)]
    assert apply(period=MARCH)["discounts"] == []


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_sweep_before_the_end_changes_no_amount_after_it(is_swept):
    """The window is in the past. An invoice of a covered period that arrives after the end gets no discount."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 2})["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2020-01-01")
    apply(period={"start": "2020-01-01", "end": "2020-02-01"})
    if is_swept:
        assert task_named("expiry.sweep")(request={})["completed"] == 1
    assert len(end_subscription()["discounts"]) == 1
    assert apply(period={"start": "2020-02-01", "end": "2020-03-01"})["discountTotal"] == 0


def test_a_discount_that_stays_completed_because_its_voucher_runs_again_is_ended_too():
    """Its balance was partly refilled, and its voucher was redeemed again."""
    first = grant_new_voucher(**BALANCE, priceDiscount={"amount": 10_000, "currency": "USD"})
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=MARCH)
    redeem(voucher=first["voucher"], subscription="sub_1", startsOn="2027-01-01", currency="USD")
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert len(end_subscription()["discounts"]) == 2
    assert listed(subscription="sub_1", status=["running", "completed"]) == []
    assert apply(period=APRIL)["discountTotal"] == 0


def test_listing_and_ending_do_nothing_on_an_empty_database():
    """The list is empty, and no discount is ended."""
    assert task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1"})["items"] == []
    assert (end_subscription()["discounts"], end_subscription()["placesReturned"]) == ([], 0)


def test_ending_a_subscription_with_20_discounts_takes_as_many_statements_as_with_one():
    """Each discount is of another voucher, redeemed by its code."""
    for subscription, count in (("sub_one", 1), ("sub_many", 20)):
        for index in range(count):
            code = create_voucher(code=f"{subscription}-{index}")["code"]
            task_named("redemptions.redeem")(request=redemption(code=code, subscription=subscription))
    with counted() as one:
        assert end_subscription("sub_one")["placesReturned"] == 1
    with counted() as many:
        assert end_subscription("sub_many")["placesReturned"] == 20
    assert one == many
    assert len(one) < 18
