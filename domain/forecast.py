"""What running discounts will still cost, if each goes on as it did: by month and currency."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import count
from uuid import UUID

from domain.plan import Interval, Plan, first_number, period_of
from domain.recurrence import add_months
from domain.value import value

# A month is 487/16 days on average, over four years. As many days as this away from whole months are whole months:
# February is 2.4 below, a month of 31 days 0.6 above.
MONTH_IN_SIXTEENTHS, DAYS_BESIDE_WHOLE_MONTHS = 487, 3

# The voucher and the currency, which is what a budget is for.
BudgetKey = tuple[UUID, str]


@value
class Series:
    """Discounts of one voucher that are alike: they take the same share in the same cycles, in one currency."""

    voucher_id: UUID
    currency: str
    # What all of them take together in each cycle, on average.
    per_cycle_minor: Fraction
    # The first period began on the anchor, the latest one ended on `next_on`.
    anchor: date
    next_on: date
    cycle_days: int
    # Where the window ends, and how many whole cycles are left; None is no end.
    ends_on: date | None = None
    cycles_left: int | None = None
    # What the cycle after those takes: the end of a balance.
    rest_minor: Fraction = Fraction()


def plan_of(series: Series) -> Plan:
    """This function will return how the series' cycles follow each other: whole months where they look like that."""
    months = round(series.cycle_days * 16 / MONTH_IN_SIXTEENTHS)
    beside = abs(series.cycle_days * 16 - months * MONTH_IN_SIXTEENTHS)
    if months and beside <= DAYS_BESIDE_WHOLE_MONTHS * 16:
        # A period that began on a month's last day may have been moved there: the later day of the month is the plan's.
        anchor = max(series.anchor, series.next_on, key=lambda day: day.day)
        return Plan(interval=Interval.MONTH, interval_count=months, anchor=anchor)
    return Plan(interval=Interval.DAY, interval_count=max(1, series.cycle_days), anchor=series.anchor)


def months_from(day: date, *, months: int) -> list[date]:
    """This function will return the first days of so many calendar months, from that of the day."""
    return [add_months(day.replace(day=1), months=number) for number in range(months)]


def forecast(
    series: Iterable[Series], *, since: date, months: Sequence[date], budgets_left_minor: Mapping[BudgetKey, int]
) -> list[dict[str, int]]:
    """This function will return what the series cost in each of the months, in minor units by currency.

    A cycle costs in the month in which it begins; those that begin `since` then and before the first month cost too,
    and are not shown. Each voucher's costs end with what is left of its budget. Rounded half up once, for each month
    and currency; what comes to nothing is left out.
    """
    costs: defaultdict[BudgetKey, list[Fraction]] = defaultdict(lambda: [Fraction()] * (1 + len(months)))
    for each in series:
        for month, amount_minor in _cycles(each, since=since, months=months):
            costs[each.voucher_id, each.currency][month] += amount_minor
    in_all: list[defaultdict[str, Fraction]] = [defaultdict(Fraction) for _ in range(1 + len(months))]
    for key, by_month in costs.items():
        for month, amount_minor in enumerate(_within(budgets_left_minor.get(key), amounts_minor=by_month)):
            in_all[month][key[1]] += amount_minor
    return [_rounded(each) for each in in_all[1:]]


def _cycles(series: Series, *, since: date, months: Sequence[date]) -> Iterator[tuple[int, Fraction]]:
    """This function will yield the month, from 1, and the amount of each cycle; month 0 is all that comes before."""
    plan = plan_of(series)
    until = min(add_months(months[-1], months=1), series.ends_on or date.max)
    first = first_number(plan, on_or_after=max(series.next_on, since))
    shown = max(first, first_number(plan, on_or_after=min(months[0], until)))
    yield 0, _taken_in(series, cycles=shown - first)
    for number in count(shown):
        start = period_of(plan, number=number).start
        is_had = series.cycles_left is not None and number - first > series.cycles_left
        if start >= until or is_had:
            return
        month = 1 + (start.year - months[0].year) * 12 + start.month - months[0].month
        is_rest = series.cycles_left is not None and number - first == series.cycles_left
        yield month, series.rest_minor if is_rest else series.per_cycle_minor


def _taken_in(series: Series, *, cycles: int) -> Fraction:
    left = series.cycles_left
    if left is None or cycles <= left:
        return cycles * series.per_cycle_minor
    return left * series.per_cycle_minor + series.rest_minor


def _within(left_minor: int | None, *, amounts_minor: Iterable[Fraction]) -> Iterator[Fraction]:
    left = None if left_minor is None else Fraction(left_minor)
    for amount in amounts_minor:
        given = amount if left is None else min(amount, left)
        left = None if left is None else left - given
        yield given


def _rounded(amounts_minor: Mapping[str, Fraction]) -> dict[str, int]:
    rounded = {currency: int(amount + Fraction(1, 2)) for currency, amount in sorted(amounts_minor.items())}
    return {currency: amount for currency, amount in rounded.items() if amount}
