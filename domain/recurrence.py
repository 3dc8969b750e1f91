"""Which billing cycles a discount covers.

A cycle is a period of the subscription, and is identified by its start. A repeating discount in months covers the
cycles that start in the window [first, first + N months). `first` is the start of the earliest discounted cycle, so the
window is computed and never counted down. A repeating discount in cycles covers the first N distinct cycles that it
discounts, in order of arrival.
"""

from calendar import monthrange
from dataclasses import replace
from datetime import date
from functools import lru_cache

from domain.terms import Recurrence, RecurrenceType
from domain.value_class import value

MONTHS_PER_YEAR = 12


@value
class Period:
    """A period in the subscription's own calendar, `end` exclusive: that of an invoice, or a billing cycle."""

    start: date
    end: date


@value
class Progress:
    """The cycles that a discount has covered so far. All dates are None before the first cycle."""

    # Of the earliest and the latest cycle.
    first_start: date | None = None
    last_start: date | None = None
    # The number of distinct cycles.
    cycles: int = 0
    # The end of the window, exclusive; None while it is not known, and for `forever`.
    ends_on: date | None = None
    # The latest end of all covered cycles.
    last_end: date | None = None


NO_PROGRESS = Progress()


# The invoices of a batch have few different dates.
@lru_cache(maxsize=1_024)
def add_months(day: date, *, months: int) -> date:
    """Return the same day that many months later, or the last day of a month that is too short."""
    years, month_index = divmod(day.month - 1 + months, MONTHS_PER_YEAR)
    year, month = day.year + years, month_index + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def covers(recurrence: Recurrence, *, progress: Progress, start: date, is_new_cycle: bool) -> bool:
    """Return whether a discount covers a billing cycle that starts on `start`.

    `is_new_cycle` says that no invoice of that cycle was discounted before.
    If the cycle is earlier than all others, the window moves back, unless a discounted cycle would then lie outside
    the window.
    """
    first, last = progress.first_start, progress.last_start
    if first is None or last is None or recurrence.type is RecurrenceType.FOREVER:
        return True
    if recurrence.type is RecurrenceType.ONCE:
        return False
    if recurrence.duration_in_cycles is not None:
        return not is_new_cycle or progress.cycles < recurrence.duration_in_cycles
    months = recurrence.duration_in_months or 0
    return max(start, last) < add_months(min(start, first), months=months)


def advance(recurrence: Recurrence, *, progress: Progress, cycle: Period, is_new_cycle: bool) -> Progress:
    """Return the progress after the discount took an amount off an invoice of that cycle."""
    first = min(cycle.start, progress.first_start or cycle.start)
    last_end = max(cycle.end, progress.last_end or cycle.end)
    cycles = progress.cycles + is_new_cycle
    return Progress(
        first_start=first,
        last_start=max(cycle.start, progress.last_start or cycle.start),
        cycles=cycles,
        ends_on=_ends_on(recurrence, known=progress.ends_on, first=first, last_end=last_end, cycles=cycles),
        last_end=last_end,
    )


def is_between_cycles(day: date, *, progress: Progress) -> bool:
    """Return whether a day is later than the start of the first discounted cycle and before the end of the last."""
    first, end = progress.first_start, progress.last_end
    return first is not None and end is not None and first < day < end


def is_within_cycles(start: date, *, progress: Progress) -> bool:
    """Return whether a cycle starts neither before the first nor after the last of the discounted cycles."""
    first, last = progress.first_start, progress.last_start
    return first is not None and last is not None and first <= start <= last


def extend(recurrence: Recurrence, *, progress: Progress) -> Progress:
    """Return the progress of a discount whose duration was raised to that of `recurrence`."""
    first, last_end = progress.first_start, progress.last_end
    if first is None or last_end is None:
        return progress
    ends_on = _ends_on(recurrence, known=None, first=first, last_end=last_end, cycles=progress.cycles)
    return replace(progress, ends_on=ends_on)


def _ends_on(recurrence: Recurrence, *, known: date | None, first: date, last_end: date, cycles: int) -> date | None:
    match recurrence.type:
        case RecurrenceType.FOREVER:
            return None
        case RecurrenceType.ONCE:
            return last_end
        case RecurrenceType.REPEATING if recurrence.duration_in_cycles is not None:
            # The end is known when the last cycle has come, and stays. If another invoice of a counted cycle could
            # move the end, a completed discount would run again, or not, depending on when the sweep came.
            return known or (last_end if cycles >= recurrence.duration_in_cycles else None)
        case RecurrenceType.REPEATING:
            return add_months(first, months=recurrence.duration_in_months or 0)
