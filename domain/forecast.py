"""Forecast the cost of running discounts, if each continues as before, by month and currency."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import count
from uuid import UUID

from domain.money import divide_half_up
from domain.plan import Interval, Plan, first_number, period_of
from domain.recurrence import add_months
from domain.value_class import value

# Over four years, a month has 487/16 days on average. A cycle that is up to three days longer or shorter than whole
# months is taken for whole months: February is 2.4 days shorter than the average, a month of 31 days 0.6 longer.
MONTH_IN_SIXTEENTHS, DAYS_OFF_WHOLE_MONTHS_MAX = 487, 3

# The voucher and the currency; a budget is for both.
BudgetKey = tuple[UUID, str]


@value
class Series:
    """Discounts of the same voucher in the same currency that take the same share in the same cycles."""

    voucher_id: UUID
    currency: str
    # The average of all these discounts together.
    per_cycle_minor: Fraction
    # The first period began on the anchor, the latest period ended on `next_on`.
    anchor: date
    next_on: date
    cycle_days: int
    # The cycles that come before the first one of the series.
    cycles_before: int = 0
    # The end of the window, exclusive, and the number of whole cycles that are left; None means no end.
    ends_on: date | None = None
    cycles_left: int | None = None
    # The rest of a total, which the cycle after the whole ones takes.
    rest_minor: Fraction = Fraction()


@value
class UnderTotal:
    """Series of one voucher and currency that together take no more than the rest of a total, in minor units."""

    series: Sequence[Series]
    # None if there is no total.
    left_minor: Fraction | None = None


def plan_of(series: Series) -> Plan:
    """Return the plan of the series' cycles: whole months if their length is close to that, else days."""
    months = round(series.cycle_days * 16 / MONTH_IN_SIXTEENTHS)
    off_in_sixteenths = abs(series.cycle_days * 16 - months * MONTH_IN_SIXTEENTHS)
    if months and off_in_sixteenths <= DAYS_OFF_WHOLE_MONTHS_MAX * 16:
        # In a short month, a plan of the 31st begins on the last day. So the later day of the two is the plan's.
        anchor = max(series.anchor, series.next_on, key=lambda day: day.day)
        return Plan(interval=Interval.MONTH, interval_count=months, anchor=anchor)
    return Plan(interval=Interval.DAY, interval_count=max(1, series.cycle_days), anchor=series.anchor)


def months_from(day: date, *, months: int) -> list[date]:
    """Return the first days of consecutive calendar months, beginning with the month of `day`."""
    return [add_months(day.replace(day=1), months=number) for number in range(months)]


def forecast(
    series: Iterable[Series],
    *,
    under_totals: Iterable[UnderTotal] = (),
    since: date,
    months: Sequence[date],
    budgets_left_minor: Mapping[BudgetKey, int],
) -> list[dict[str, int]]:
    """Return the cost of the series in each of the months, in minor units by currency.

    A cycle costs in the month in which it begins. Cycles that begin from `since` until the first month use up windows,
    totals and budgets, but are not shown. The cost of a voucher ends when its budget is spent, and that of the series
    in `under_totals` when their total is.
    Amounts are exact fractions until the sum of a month and currency is rounded half up. A sum of 0 is left out.
    """
    costs: defaultdict[BudgetKey, list[Fraction]] = defaultdict(lambda: [Fraction()] * (1 + len(months)))
    for each in (*(UnderTotal(series=[one]) for one in series), *under_totals):
        by_month = _by_month(each.series, since=since, months=months)
        for month, amount_minor in enumerate(_limited(by_month, left_minor=each.left_minor)):
            costs[each.series[0].voucher_id, each.series[0].currency][month] += amount_minor
    totals: list[defaultdict[str, Fraction]] = [defaultdict(Fraction) for _ in range(1 + len(months))]
    for key, by_month in costs.items():
        for month, amount_minor in enumerate(_limited(by_month, left_minor=budgets_left_minor.get(key))):
            totals[month][key[1]] += amount_minor
    return [_rounded(each) for each in totals[1:]]


def _by_month(series: Iterable[Series], *, since: date, months: Sequence[date]) -> list[Fraction]:
    costs = [Fraction()] * (1 + len(months))
    for each in series:
        for month, amount_minor in _cycles(each, since=since, months=months):
            costs[month] += amount_minor
    return costs


def _cycles(series: Series, *, since: date, months: Sequence[date]) -> Iterator[tuple[int, Fraction]]:
    """Yield the number (from 1) of the month and the amount of each cycle. Month 0 is the sum of all earlier cycles."""
    plan = plan_of(series)
    until = min(add_months(months[-1], months=1), series.ends_on or date.max)
    first = first_number(plan, on_or_after=max(series.next_on, since)) + series.cycles_before
    shown = max(first, first_number(plan, on_or_after=min(months[0], until)))
    yield 0, _taken_in(series, cycles=shown - first)
    for number in count(shown):
        start = period_of(plan, number=number).start
        is_exhausted = series.cycles_left is not None and number - first > series.cycles_left
        if start >= until or is_exhausted:
            return
        month = 1 + (start.year - months[0].year) * 12 + start.month - months[0].month
        is_rest = series.cycles_left is not None and number - first == series.cycles_left
        yield month, series.rest_minor if is_rest else series.per_cycle_minor


def _taken_in(series: Series, *, cycles: int) -> Fraction:
    left = series.cycles_left
    if left is None or cycles <= left:
        return cycles * series.per_cycle_minor
    return left * series.per_cycle_minor + series.rest_minor


def _limited(amounts_minor: Iterable[Fraction], *, left_minor: Fraction | int | None) -> Iterator[Fraction]:
    left = None if left_minor is None else Fraction(left_minor)
    for amount in amounts_minor:
        given = amount if left is None else min(amount, left)
        left = None if left is None else left - given
        yield given


def _rounded(amounts_minor: Mapping[str, Fraction]) -> dict[str, int]:
    rounded = {
        currency: divide_half_up(amount.numerator, amount.denominator)
        for currency, amount in sorted(amounts_minor.items())
    }
    return {currency: amount for currency, amount in rounded.items() if amount}
