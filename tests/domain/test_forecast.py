"""The forecast cost of discounts that continue as before."""

from datetime import date
from fractions import Fraction
from uuid import UUID

import pytest

from domain.forecast import Series, forecast, months_from, plan_of
from domain.recurrence import add_months

VOUCHER, OTHER = UUID(int=1), UUID(int=2)
MONTHS = months_from(date(2027, 1, 17), months=4)


def series(**fields) -> Series:
    """Return a series of 10.00 USD a month that was billed for January, except for the given fields."""
    base = {
        "voucher_id": VOUCHER,
        "currency": "USD",
        "per_cycle_minor": Fraction(1_000),
        "anchor": date(2027, 1, 1),
        "next_on": date(2027, 2, 1),
        "cycle_days": 31,
    }
    return Series(**{**base, **fields})


def costs(*each: Series, budgets: dict | None = None, since: date = MONTHS[0]) -> list[int]:
    """Return the cost of the series in each month, in minor units of USD."""
    found = forecast(each, since=since, months=MONTHS, budgets_left_minor=budgets or {})
    return [month.get("USD", 0) for month in found]


def test_months_are_those_of_the_calendar():
    """They begin with the month of the day, and go on across the end of the year."""
    assert months_from(date(2027, 1, 31), months=3) == [date(2027, month, 1) for month in (1, 2, 3)]
    assert months_from(date(2027, 12, 31), months=2) == [date(2027, 12, 1), date(2028, 1, 1)]


@pytest.mark.parametrize(
    ("days", "interval", "count"),
    [
        (1, "day", 1),
        (7, "day", 7),
        (27, "day", 27),
        (28, "month", 1),
        (30, "month", 1),
        (31, "month", 1),
        (33, "month", 1),
        (34, "day", 34),
        (56, "day", 56),
        (59, "month", 2),
        (90, "month", 3),
        (92, "month", 3),
        (365, "month", 12),
        (366, "month", 12),
        (0, "day", 1),
    ],
)
def test_cycles_that_look_like_months_are_months(days, interval, count):
    """A cycle may differ from whole average months by three days."""
    plan = plan_of(series(cycle_days=days))
    assert (plan.interval.value, plan.interval_count) == (interval, count)


def test_a_discount_continues_after_the_billed_period():
    """January is billed already."""
    assert costs(series()) == [0, 1_000, 1_000, 1_000]


def test_a_cycle_costs_in_the_month_in_which_it_begins():
    """A plan of the 31st begins on the last day of a short month. A month has four or five weeks."""
    on_the_31st = {"anchor": date(2026, 12, 31), "next_on": date(2027, 1, 31)}
    assert costs(series(**on_the_31st)) == [1_000] * 4
    assert costs(series(cycle_days=7)) == [0, 4_000, 4_000, 5_000]
    assert costs(series(cycle_days=91, anchor=date(2026, 12, 1), next_on=date(2027, 3, 1))) == [0, 0, 1_000, 0]


def test_cycles_that_should_have_been_billed_count_from_the_first_month_on():
    """Cycles that were missed before the first month cost nothing."""
    assert costs(series(anchor=date(2026, 6, 15), next_on=date(2026, 8, 15))) == [1_000] * 4


@pytest.mark.parametrize(
    ("ends_on", "expected"),
    [(date(2027, 2, 1), 0), (date(2027, 2, 2), 1_000), (date(2027, 3, 1), 1_000), (date(2027, 3, 2), 2_000)],
)
def test_a_window_ends_a_series(ends_on, expected):
    """A cycle that begins on the end of the window is outside."""
    assert sum(costs(series(ends_on=ends_on))) == expected


def test_a_series_in_cycles_ends_with_the_last_cycle_and_a_balance_with_its_rest():
    """Whole cycles come first, then the rest."""
    assert costs(series(cycles_left=2)) == [0, 1_000, 1_000, 0]
    assert costs(series(cycles_left=1, rest_minor=Fraction(250))) == [0, 1_000, 250, 0]
    assert costs(series(cycles_left=0)) == [0, 0, 0, 0]


def test_a_spent_budget_ends_all_series_of_its_voucher():
    """Two series of 10.00 have 25.00 left. The series of another voucher goes on."""
    other = series(voucher_id=OTHER, per_cycle_minor=Fraction(1))
    assert costs(series(), series(), other, budgets={(VOUCHER, "USD"): 2_500}) == [0, 2_001, 501, 1]
    assert costs(series(), budgets={(VOUCHER, "EUR"): 0}) == [0, 1_000, 1_000, 1_000]


def test_each_currency_has_its_own_sum():
    """A currency without a cost is left out."""
    found = forecast([series(), series(currency="EUR")], since=MONTHS[0], months=MONTHS, budgets_left_minor={})
    assert found == [{}, *[{"EUR": 1_000, "USD": 1_000}] * 3]


def test_halves_are_rounded_up_once_for_a_month():
    """Three halves are 2, not 3."""
    half = series(per_cycle_minor=Fraction(1, 2))
    assert costs(half) == [0, 1, 1, 1]
    assert costs(half, half, half) == [0, 2, 2, 2]


@pytest.mark.parametrize(
    ("first", "next_on", "months", "expected"),
    [
        # Moved to the last day of February. The plan is of the 31st, and three of four months are left.
        (date(2027, 2, 28), date(2027, 3, 31), 4, [0, 0, 1_000, 1_000]),
        (date(2027, 2, 28), date(2027, 3, 29), 2, [0, 0, 1_000, 0]),
        # The second period was moved. A cycle on April 30th would be outside the window.
        (date(2027, 1, 31), date(2027, 2, 28), 3, [0, 1_000, 1_000, 0]),
    ],
)
def test_a_period_that_was_moved_to_a_months_last_day_loses_no_cycle(first, next_on, months, expected):
    """The plan has the later day of the month."""
    ends_on = add_months(first, months=months)
    assert costs(series(anchor=first, next_on=next_on, cycle_days=31, ends_on=ends_on)) == expected


@pytest.mark.parametrize(
    ("fields", "budget", "expected"),
    [
        ({"cycles_left": 3}, None, [1_000, 0, 0, 0]),
        ({"cycles_left": 2}, None, [0, 0, 0, 0]),
        ({"cycles_left": 2, "rest_minor": Fraction(300)}, None, [300, 0, 0, 0]),
        ({"cycles_left": 1, "rest_minor": Fraction(300)}, 2_000, [0, 0, 0, 0]),
        ({}, 3_500, [1_000, 500, 0, 0]),
        ({"ends_on": date(2026, 12, 15)}, 3_500, [0, 0, 0, 0]),
    ],
)
def test_cycles_before_the_first_month_count_but_are_not_shown(fields, budget, expected):
    """The series has cycles in November and December, and the forecast begins in January."""
    november = {"anchor": date(2026, 10, 1), "next_on": date(2026, 11, 1)}
    budgets = {} if budget is None else {(VOUCHER, "USD"): budget}
    assert costs(series(**november, **fields), budgets=budgets, since=date(2026, 11, 1)) == expected


def test_a_series_that_ends_before_the_first_month_spends_the_budget_of_another():
    """The two series share a budget of 25.00, of which 5.00 are left in January."""
    over = series(anchor=date(2026, 10, 1), next_on=date(2026, 11, 1), ends_on=date(2027, 1, 1))
    found = costs(over, series(next_on=date(2027, 1, 1)), budgets={(VOUCHER, "USD"): 2_500}, since=date(2026, 11, 1))
    assert found == [500, 0, 0, 0]
