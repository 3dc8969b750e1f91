"""Which billing periods a discount covers.

A period is identified by its start. A repeating discount in months covers the periods that start in the window
[first, first + N months). `first` is the start of the earliest discounted period, so the window is computed and never
counted down. A repeating discount in cycles covers the first N distinct periods that it discounts, in order of arrival.
"""

from calendar import monthrange
from datetime import date
from functools import lru_cache

from domain.terms import Recurrence, RecurrenceType
from domain.value_class import value

MONTHS_PER_YEAR = 12


@value
class Period:
    """A billing period in the subscription's own calendar, `end` exclusive."""

    start: date
    end: date


@value
class Progress:
    """The periods that a discount has covered so far. All dates are None before the first period."""

    # Of the earliest and the latest period.
    first_start: date | None = None
    last_start: date | None = None
    # The number of distinct periods.
    cycles: int = 0
    # The end of the window, exclusive; None while it is not known, and for `forever`.
    ends_on: date | None = None
    # The latest end of all covered periods.
    last_end: date | None = None


# The invoices of a batch have few different dates.
@lru_cache(maxsize=1_024)
def add_months(day: date, *, months: int) -> date:
    """Return the same day that many months later, or the last day of a month that is too short."""
    years, month_index = divmod(day.month - 1 + months, MONTHS_PER_YEAR)
    year, month = day.year + years, month_index + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def covers(recurrence: Recurrence, *, progress: Progress, start: date, is_new_period: bool) -> bool:
    """Return whether a discount covers a billing period that starts on `start`.

    `is_new_period` says that no invoice of that period was discounted before.
    If the period is earlier than all others, the window moves back, unless a discounted period would then lie outside
    the window.
    """
    first, last = progress.first_start, progress.last_start
    if first is None or last is None or recurrence.type is RecurrenceType.FOREVER:
        return True
    if recurrence.type is RecurrenceType.ONCE:
        return False
    if recurrence.duration_in_cycles is not None:
        return not is_new_period or progress.cycles < recurrence.duration_in_cycles
    months = recurrence.duration_in_months or 0
    return max(start, last) < add_months(min(start, first), months=months)


def advance(recurrence: Recurrence, *, progress: Progress, period: Period, is_new_period: bool) -> Progress:
    """Return the progress after the discount took an amount off an invoice of that period."""
    first = min(period.start, progress.first_start or period.start)
    last_end = max(period.end, progress.last_end or period.end)
    cycles = progress.cycles + is_new_period
    return Progress(
        first_start=first,
        last_start=max(period.start, progress.last_start or period.start),
        cycles=cycles,
        ends_on=_ends_on(recurrence, known=progress.ends_on, first=first, last_end=last_end, cycles=cycles),
        last_end=last_end,
    )


def _ends_on(recurrence: Recurrence, *, known: date | None, first: date, last_end: date, cycles: int) -> date | None:
    match recurrence.type:
        case RecurrenceType.FOREVER:
            return None
        case RecurrenceType.ONCE:
            return last_end
        case RecurrenceType.REPEATING if recurrence.duration_in_cycles is not None:
            # The end is known when the last cycle has come, and stays. If another invoice of a counted period could
            # move the end, a completed discount would run again, or not, depending on when the sweep came.
            return known or (last_end if cycles >= recurrence.duration_in_cycles else None)
        case RecurrenceType.REPEATING:
            return add_months(first, months=recurrence.duration_in_months or 0)
