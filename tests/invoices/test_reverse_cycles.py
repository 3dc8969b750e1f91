"""`billing.reverse`: a void and a failed payment give the discount its cycle back."""

import pytest

from tests.support.endings import listed
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, GIVING_BACK, MARCH, MAY, ONCE, discount_row, grant, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_a_once_discount_is_available_again(kind):
    """The next invoice gets it, and the reversed invoice keeps its answer."""
    grant(**ONCE)
    first = apply(invoice="inv_1")
    assert apply(invoice="inv_2")["discountTotal"] == 0
    answer = reverse("inv_1", kind)
    assert (answer["outcome"], answer["discountTotal"], answer["amount"]) == ("reversed", 800, 8000)
    assert answer["lines"] == [{"id": "base", "amount": 8000, "discountShare": 800}]
    assert [(each["status"], each["cycles"], each["fullPriceFrom"]) for each in answer["discounts"]] == [
        ("running", 0, None)
    ]
    assert apply(invoice="inv_3")["discountTotal"] == 800
    assert apply(invoice="inv_1")["discounts"] == first["discounts"]
    assert apply(invoice="inv_4")["discountTotal"] == 0


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_a_window_that_started_with_the_invoice_starts_anew(kind):
    """The window of two months is from March instead of February."""
    grant(recurrence={"type": "repeating", "durationInMonths": 2})
    apply(invoice="inv_1", period=FEBRUARY)
    reverse("inv_1", kind)
    answers = [apply(period=each) for each in (MARCH, APRIL, MAY)]
    assert [each["discountTotal"] for each in answers] == [800, 800, 0]
    assert answers[0]["discounts"][0]["fullPriceFrom"] == "2027-05-01"


def test_a_window_is_that_of_the_remaining_invoices():
    """February is voided after March was discounted, so the window starts in March."""
    grant(recurrence={"type": "repeating", "durationInMonths": 2})
    apply(invoice="inv_1", period=FEBRUARY)
    apply(period=MARCH)
    assert reverse("inv_1")["discounts"][0]["fullPriceFrom"] == "2027-05-01"
    assert [apply(period=each)["discountTotal"] for each in (APRIL, MAY)] == [800, 0]


def test_a_cycle_is_given_back_with_the_last_of_its_invoices():
    """Two invoices of a period are the same cycle, which is given back when both are voided."""
    grant(recurrence={"type": "repeating", "durationInCycles": 1})
    apply(invoice="inv_1", period=FEBRUARY)
    apply(invoice="inv_2", period=FEBRUARY)
    assert reverse("inv_1")["discounts"][0]["cycles"] == 1
    assert apply(period=MARCH)["discountTotal"] == 0
    assert reverse("inv_2")["discounts"][0]["cycles"] == 0
    assert apply(period=MARCH)["discountTotal"] == 800


def test_the_end_in_cycles_is_that_of_the_remaining_invoices():
    """The voided invoice had the later end of the two."""
    grant(recurrence={"type": "repeating", "durationInCycles": 1})
    apply(invoice="inv_1", period={"start": "2027-02-01", "end": "2027-04-01"})
    apply(invoice="inv_2", period=FEBRUARY)
    assert reverse("inv_1")["discounts"][0]["fullPriceFrom"] == "2027-03-01"


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_a_balance_is_refilled(kind):
    """A discount whose balance was used up runs again."""
    voucher = create_voucher(
        priceDiscount={"amount": 10_000, "currency": "USD"}, recurrence={"type": "forever"}, carryOver=True
    )
    redeem(voucher=voucher["id"], customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    answers = [apply(invoice="inv_1", period=FEBRUARY), apply(invoice="inv_2", period=MARCH)]
    assert [each["discounts"][0]["debitBalance"] for each in answers] == [2000, 0]
    assert reverse("inv_1", kind)["discounts"][0]["status"] == "running"
    assert task_named("usages.list")(request={"project": "gigs", "voucher": voucher["id"]})["items"][0][
        "statistics"
    ] == {
        "stamp": 0,
        "used": 1,
        "usage": 1,
        "amounts": {"USD": 2000},
        "debitBalance": 8000,
        "currentStamp": 0,
    }
    answer = apply(period=APRIL)
    assert (answer["discountTotal"], answer["discounts"][0]["debitBalance"]) == (8000, 0)
    assert discount_row().status == "completed"


def test_a_periods_allowance_is_given_back():
    """All invoices of a period share a fixed amount."""
    grant(priceDiscount={"amount": 9_000, "currency": "USD"})
    totals = [apply(invoice="inv_1")["discountTotal"], apply(invoice="inv_2")["discountTotal"]]
    reverse("inv_1")
    assert [*totals, apply()["discountTotal"], apply()["discountTotal"]] == [8000, 1000, 8000, 0]


def test_a_discount_whose_voucher_runs_again_gets_its_cycle_back():
    """The discount stays completed, and each of the two discounts is applied once."""
    voucher = create_voucher(**ONCE)["id"]
    for _ in range(2):
        assert redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01")["outcome"] == "accepted"
        apply(invoice="inv_1")
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert redeem(voucher=voucher, subscription="sub_1")["reason"] == "already_applied"
    assert [apply()["discountTotal"] for _ in range(3)] == [800, 800, 0]


def test_a_discount_that_gets_its_cycle_back_does_not_exceed_the_limit():
    """20 discounts run. The completed discount is applied too, and does not count."""
    redeem(voucher=create_voucher(**ONCE)["id"], subscription="sub_1", startsOn="2027-01-01")
    apply(invoice="inv_1")
    for _ in range(20):
        percent = create_voucher(priceDiscountPercentage=1)["id"]
        assert redeem(voucher=percent, subscription="sub_1", startsOn="2027-01-01")["outcome"] == "accepted"
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert len(apply()["discounts"]) == 21
    assert len(apply()["discounts"]) == 20


def test_discounts_with_an_expired_window_do_not_count_swept_or_not():
    """The window of the second redemption has ended when the first gets its cycle back."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})["id"]
    for number, period in enumerate(
        ({"start": "2026-01-01", "end": "2026-02-01"}, {"start": "2026-03-01", "end": "2026-04-01"})
    ):
        redeem(voucher=voucher, subscription="sub_1", startsOn=period["start"])
        apply(invoice=f"inv_{number}", period=period)
    assert reverse("inv_0")["discounts"][0]["status"] == "running"


def test_discounts_that_run_keep_running_when_their_invoice_is_voided():
    """The invoice had 19 running discounts and a `once`, and another was redeemed since. The `once` stays completed."""
    once = grant(**ONCE)["discount"]
    running = [grant()["discount"] for _ in range(19)]
    lines = [{"id": "base", "amount": 8000, "product": "prod_a"}]
    assert len(apply(invoice="inv_1", lines=lines)["discounts"]) == 20
    running.append(grant()["discount"])
    reverse("inv_1")
    assert listed(subscription="sub_1", status=["running"], limit=50) == running[::-1]
    assert listed(subscription="sub_1", status=["completed"]) == [once]
