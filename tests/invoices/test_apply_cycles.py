"""Discounts that last a number of billing periods of any length."""

from itertools import permutations

import pytest

from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

WEEKS = [
    {"start": start, "end": end}
    for start, end in (
        ("2026-01-05", "2026-01-12"),
        ("2026-01-12", "2026-01-19"),
        ("2026-01-19", "2026-01-26"),
        ("2026-01-26", "2026-02-02"),
    )
]


def grant(cycles: int, **fields) -> dict:
    """Redeem a new voucher of that many cycles on sub_1, starting in 2026."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInCycles": cycles}, **fields)
    return redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-01-01", currency="USD")


def test_a_voucher_shows_its_cycles():
    """The number of months is null."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInCycles": 3})
    assert voucher["recurrence"] == {
        "type": "repeating",
        "durationInMonths": None,
        "durationInCycles": 3,
        "phases": None,
    }
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]}) == voucher


def test_three_cycles_of_a_weekly_plan_are_three_weeks():
    """`fullPriceFrom` is null until the third week has arrived."""
    grant(3)
    answers = [apply(period=each) for each in WEEKS]
    assert [answer["discountTotal"] for answer in answers] == [800, 800, 800, 0]
    discounts = [each for answer in answers for each in answer["discounts"]]
    assert [(each["cycle"], each["fullPriceFrom"]) for each in discounts] == [(1, None), (2, None), (3, "2026-01-26")]
    assert answers[3]["skipped"] == []


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_three_weeks_that_arrive_first_are_covered(order):
    """The invoices come in two batches. Another invoice of a covered week is covered, before the sweep and after it."""
    grant(3)
    requests = [invoice(period=WEEKS[index]) for index in order]
    items = [
        *task_named("billing.apply_many")(request={"invoices": requests[:2]})["items"],
        *task_named("billing.apply_many")(request={"invoices": requests[2:]})["items"],
    ]
    assert [item["discountTotal"] for item in items] == [800, 800, 800, 0]
    assert apply(period=WEEKS[order[0]])["discountTotal"] == 800
    assert task_named("expiry.sweep")(request={})["completed"] == 1
    again = [apply(period=WEEKS[index])["discounts"] for index in order]
    assert [[each["cycle"] for each in discounts] for discounts in again] == [[3], [3], [3], []]


def test_a_discount_runs_until_its_last_cycle_is_over():
    """After two of three weeks, a sweep does not complete the discount, and its voucher still runs."""
    granted = grant(3)
    for week in WEEKS[:2]:
        apply(period=week)
    assert task_named("expiry.sweep")(request={})["completed"] == 0
    assert redeem(voucher=granted["voucher"], subscription="sub_1")["reason"] == "already_applied"
    apply(period=WEEKS[2])
    assert redeem(voucher=granted["voucher"], subscription="sub_1")["outcome"] == "accepted"


def test_a_fixed_amount_in_cycles_is_an_allowance_for_each_cycle():
    """Two invoices of a week share the allowance."""
    grant(2, priceDiscount={"amount": 9000, "currency": "USD"})
    totals = [apply(period=each)["discountTotal"] for each in (WEEKS[0], WEEKS[0], WEEKS[1], WEEKS[2])]
    assert totals == [8000, 1000, 8000, 0]


@pytest.mark.parametrize("swept", [False, True])
def test_a_window_that_has_ended_does_not_open_again_swept_or_not(swept):
    """Another invoice of the last period has a later end. It is discounted, but the end of the window does not move."""
    granted = grant(1)
    apply(period=WEEKS[0])
    if swept:
        task_named("expiry.sweep")(request={})
    further = apply(period={"start": WEEKS[0]["start"], "end": "2099-01-01"})
    assert further["discounts"][0]["fullPriceFrom"] == WEEKS[0]["end"]
    assert redeem(voucher=granted["voucher"], subscription="sub_1")["reason"] is None
