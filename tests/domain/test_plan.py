"""The billing periods of a plan."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.plan import Interval, Plan, first_number, period_of

PLANS = st.builds(
    Plan,
    interval=st.sampled_from(Interval),
    interval_count=st.integers(1, 52),
    anchor=st.dates(date(1970, 1, 1), date(2999, 12, 31)),
)


@pytest.mark.parametrize(
    ("interval", "count", "starts"),
    [
        ("day", 1, ["2027-01-31", "2027-02-01", "2027-02-02", "2027-02-03"]),
        ("day", 30, ["2027-01-31", "2027-03-02", "2027-04-01", "2027-05-01"]),
        ("week", 2, ["2027-01-31", "2027-02-14", "2027-02-28", "2027-03-14"]),
        ("month", 1, ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        ("month", 3, ["2027-01-31", "2027-04-30", "2027-07-31", "2027-10-31"]),
        ("year", 1, ["2027-01-31", "2028-01-31", "2029-01-31", "2030-01-31"]),
    ],
)
def test_periods_are_counted_from_the_anchor(interval, count, starts):
    """A short month does not change the periods after it."""
    plan = Plan(interval=Interval(interval), interval_count=count, anchor=date(2027, 1, 31))
    assert [period_of(plan, number=number).start.isoformat() for number in range(4)] == starts


def test_a_leap_days_year_ends_on_the_last_of_february():
    """In the next leap year, the period begins on February 29th again."""
    plan = Plan(interval=Interval.YEAR, interval_count=2, anchor=date(2024, 2, 29))
    assert [period_of(plan, number=number).end for number in range(2)] == [date(2026, 2, 28), date(2028, 2, 29)]


@given(PLANS)
def test_no_day_lies_between_two_periods(plan):
    """Each period begins on the end of the period before, and is not empty."""
    periods = [period_of(plan, number=number) for number in range(30)]
    assert all(first.end == second.start for first, second in pairwise(periods))
    assert all(each.start < each.end for each in periods)


@given(PLANS, st.integers(-1_000, 30_000))
def test_the_first_period_is_the_first_that_begins_then_or_later(plan, days):
    """The anchor may be far in the past, and no period comes before it."""
    since = min(plan.anchor + timedelta(days), date(2999, 12, 31)) if plan.anchor.year > 1980 else plan.anchor
    number = first_number(plan, on_or_after=since)
    assert period_of(plan, number=number).start >= since
    assert number == 0 or period_of(plan, number=number - 1).start < since
