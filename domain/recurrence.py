"""Which billing periods a discount covers.

A period is known by its start. The window of a repeating discount is [first, first + N months), where first is
the earliest period on which it took something off; it is never a counter that is decremented. One in cycles covers
the first N distinct periods on which it took something off, in the order of their arrival.
"""

from calendar import monthrange
from datetime import date
from functools import lru_cache

from domain.terms import Recurrence, RecurrenceType
from domain.value import value

MONTHS_PER_YEAR = 12


@value
class Period:
    """A billing period in the subscription's own calendar, `end` exclusive."""

    start: date
    end: date


@value
class Progress:
    """What a discount has covered so far: the first and last period's start, and how many distinct periods."""

    first_start: date | None = None
    last_start: date | None = None
    cycles: int = 0
    ends_on: date | None = None
    # The latest end of the periods.
    last_end: date | None = None


# The invoices of a batch share a few days.
@lru_cache(maxsize=1_024)
def add_months(day: date, *, months: int) -> date:
    """This function will return the same day so many months later, clamped to that month's last day."""
    years, month_index = divmod(day.month - 1 + months, MONTHS_PER_YEAR)
    year, month = day.year + years, month_index + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def is_over(recurrence: Recurrence, *, progress: Progress, start: date, is_new_period: bool) -> bool:
    """This function will tell whether a period that starts on that day lies outside what the discount covers.

    An earlier period than the first moves the window back, unless that would push a period out of the window
    which was discounted already: the discount has then given all that it promised.
    """
    first, last = progress.first_start, progress.last_start
    if first is None or last is None or recurrence.type is RecurrenceType.FOREVER:
        return False
    if recurrence.type is RecurrenceType.ONCE:
        return True
    if recurrence.duration_in_cycles is not None:
        return is_new_period and progress.cycles >= recurrence.duration_in_cycles
    months = recurrence.duration_in_months or 0
    return max(start, last) >= add_months(min(start, first), months=months)


def advance(recurrence: Recurrence, *, progress: Progress, period: Period, is_new_period: bool) -> Progress:
    """This function will return the progress after something was taken off on an invoice of that period."""
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
            # When the last one comes is not known before it has come. Then it stays: an end that moved on would bring
            # back what is over, unless a sweep came between.
            return known or (last_end if cycles >= recurrence.duration_in_cycles else None)
        case RecurrenceType.REPEATING:
            return add_months(first, months=recurrence.duration_in_months or 0)
