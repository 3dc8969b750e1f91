"""The billing periods of a plan, counted from its anchor."""

from datetime import date, timedelta
from enum import StrEnum

from domain.recurrence import MONTHS_PER_YEAR, Period, add_months
from domain.value_class import value

DAYS_PER_WEEK = 7


class Interval(StrEnum):
    """The unit of a plan's periods."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@value
class Plan:
    """The length of each period, and the day on which the first period, number 0, begins."""

    interval: Interval
    interval_count: int
    anchor: date


def period_of(plan: Plan, *, number: int) -> Period:
    """Return a period of the plan by its number, from 0.

    Months and years are added to the anchor, not to the period before. So a plan from January 31st goes on with
    February 28th and March 31st.
    """
    return Period(start=_start_of(plan, number=number), end=_start_of(plan, number=number + 1))


def first_number(plan: Plan, *, on_or_after: date) -> int:
    """Return the number of the first period that begins on that day or later."""
    if on_or_after <= plan.anchor:
        return 0
    number = _whole_periods(plan, until=on_or_after)
    while _start_of(plan, number=number) < on_or_after:
        number += 1
    return number


def _start_of(plan: Plan, *, number: int) -> date:
    count = number * plan.interval_count
    match plan.interval:
        case Interval.DAY:
            return plan.anchor + timedelta(days=count)
        case Interval.WEEK:
            return plan.anchor + timedelta(weeks=count)
        case Interval.MONTH:
            return add_months(plan.anchor, months=count)
        case Interval.YEAR:
            return add_months(plan.anchor, months=count * MONTHS_PER_YEAR)


def _whole_periods(plan: Plan, *, until: date) -> int:
    # At most 1 too small, never too large: the last month may not be complete on the anchor's day.
    anchor, days = plan.anchor, (until - plan.anchor).days
    months = (until.year - anchor.year) * MONTHS_PER_YEAR + until.month - anchor.month - 1
    passed = {
        Interval.DAY: days,
        Interval.WEEK: days // DAYS_PER_WEEK,
        Interval.MONTH: months,
        Interval.YEAR: months // MONTHS_PER_YEAR,
    }
    return max(0, passed[plan.interval] // plan.interval_count)
