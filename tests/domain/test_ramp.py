"""Ramps: the phase of each billing cycle, by months of the window or by the number of cycles."""

from datetime import date
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ramp import effective_durations, phase_of
from domain.recurrence import Period, Progress, add_months, advance, covers
from domain.terms import PercentageDiscount, Phase, Recurrence, RecurrenceType

FIRST = date(2027, 1, 31)


def phases(*durations: int) -> list[Phase]:
    """Return phases of these durations."""
    return [Phase(price_discount=PercentageDiscount(millionths=1), duration=each) for each in durations]


def months(*durations: int) -> Recurrence:
    """Return the recurrence of phases in months."""
    return Recurrence(type=RecurrenceType.REPEATING, duration_in_months=sum(durations))


def cycles(*durations: int) -> Recurrence:
    """Return the recurrence of phases in cycles."""
    return Recurrence(type=RecurrenceType.REPEATING, duration_in_cycles=sum(durations))


class Billed:
    """A ramp with the phases of the cycles that it has discounted."""

    def __init__(self, durations: list[int], recurrence: Recurrence) -> None:
        self.phases, self.recurrence = phases(*durations), recurrence
        self.by_cycle: dict[date, int] = {}

    def bill(self, *starts: date) -> list[int | None]:
        """Discount cycles in that order, and return the phase of each, or None if it is not covered."""
        return [self._bill(start) for start in starts]

    def void(self, start: date) -> None:
        """Give a cycle back."""
        del self.by_cycle[start]

    def _bill(self, start: date) -> int | None:
        progress = Progress()
        for each in self.by_cycle:
            cycle = Period(start=each, end=add_months(each, months=1))
            progress = advance(self.recurrence, progress=progress, cycle=cycle, is_new_cycle=True)
        if not covers(self.recurrence, progress=progress, start=start, is_new_cycle=start not in self.by_cycle):
            return None
        self.by_cycle[start] = phase_of(
            start,
            phases=self.phases,
            recurrence=self.recurrence,
            progress=progress,
            phase_by_cycle=self.by_cycle,
            elsewhere=Progress(),
        )
        return self.by_cycle[start]


def monthly(*numbers: int) -> list[date]:
    """Return the starts of cycles of a monthly plan of the 31st, by their number from 0."""
    return [add_months(FIRST, months=each) for each in numbers]


@pytest.mark.parametrize("recurrence", [months, cycles])
def test_the_phases_follow_one_another(recurrence):
    """50 % for three, then 25 % for nine, of a plan of the 31st."""
    ramp = Billed([3, 9], recurrence(3, 9))
    assert ramp.bill(*monthly(*range(13))) == [1] * 3 + [2] * 9 + [None]


def test_a_yearly_cycle_is_in_the_phase_in_which_it_starts():
    """So of three and 21 months, the first year is in the first phase, and the second one in the other."""
    ramp = Billed([3, 21], months(3, 21))
    assert ramp.bill(*monthly(0, 12, 24)) == [1, 2, None]


def test_cycles_of_any_length_are_counted_in_their_order_of_arrival():
    """Whichever arrives first is in the first phase, and another invoice of a cycle is in the phase of the cycle."""
    for order in permutations(range(4)):
        ramp = Billed([1, 2], cycles(1, 2))
        starts = monthly(*order)
        assert ramp.bill(*starts) == [1, 2, 2, None]
        assert ramp.bill(*starts) == [1, 2, 2, None]


def test_a_cycle_stays_in_its_phase_if_an_earlier_one_arrives_late():
    """The window moves back with it, and the next new cycle counts from there."""
    ramp = Billed([2, 4], months(2, 4))
    assert ramp.bill(*monthly(2, 3)) == [1, 1]
    assert ramp.bill(*monthly(1)) == [1]
    assert ramp.bill(*monthly(2, 3, 4)) == [1, 1, 2]


def test_after_a_void_the_next_cycle_takes_the_free_place_and_the_others_stay():
    """Of cycles, the first was given back: the next one is in the first phase."""
    ramp = Billed([1, 1, 2], cycles(1, 1, 2))
    assert ramp.bill(*monthly(0, 1, 2)) == [1, 2, 3]
    ramp.void(*monthly(0))
    assert ramp.bill(*monthly(1, 3, 2, 4, 5)) == [2, 1, 3, 3, None]


def test_after_a_void_of_the_first_cycle_the_window_in_months_begins_with_the_next_one():
    """A cycle that was discounted stays in its phase."""
    ramp = Billed([2, 2], months(2, 2))
    assert ramp.bill(*monthly(0, 1, 2)) == [1, 1, 2]
    ramp.void(*monthly(0))
    assert ramp.bill(*monthly(2, 1, 3, 4, 5)) == [2, 1, 2, 2, None]


@pytest.mark.parametrize(
    ("granted", "whole", "expected"), [([12], 12, [12]), ([3, 9], 12, [3, 9]), ([3, 9], 14, [3, 11]), ([5], 6, [6])]
)
def test_an_extension_lengthens_the_last_phase(granted, whole, expected):
    """The earlier ones stay as granted."""
    assert effective_durations(granted, whole=whole) == expected


@pytest.mark.parametrize("recurrence", [months, cycles])
def test_cycles_beyond_the_phases_are_in_the_last_one(recurrence):
    """The discount of two and two was extended by three."""
    ramp = Billed([2, 2], recurrence(2, 2, 3))
    assert ramp.bill(*monthly(*range(8))) == [1, 1, 2, 2, 2, 2, 2, None]


DURATIONS = st.lists(st.integers(min_value=1, max_value=4), min_size=1, max_size=4)


@given(DURATIONS, st.lists(st.integers(min_value=0, max_value=20), max_size=40), st.data())
def test_no_phase_has_more_cycles_than_it_lasts(durations, numbers, data):
    """In whatever order cycles arrive and are given back."""
    ramp = Billed(durations, cycles(*durations))
    for start in monthly(*numbers):
        if start in ramp.by_cycle and data.draw(st.booleans()):
            ramp.void(start)
        else:
            ramp.bill(start)
        counted = [list(ramp.by_cycle.values()).count(number) for number in range(1, len(durations) + 1)]
        assert all(count <= duration for count, duration in zip(counted, durations, strict=True))


@given(DURATIONS, st.dates(min_value=FIRST, max_value=date(2040, 1, 1)))
def test_the_phases_of_a_window_cover_it_without_a_gap(durations, start):
    """A cycle of the window is in the phase whose months it starts in."""
    progress = Progress(first_start=FIRST, last_start=FIRST, cycles=1)
    recurrence = months(*durations)
    if not covers(recurrence, progress=progress, start=start, is_new_cycle=True):
        return
    number = phase_of(
        start,
        phases=phases(*durations),
        recurrence=recurrence,
        progress=progress,
        phase_by_cycle={},
        elsewhere=Progress(),
    )
    begin, end = sum(durations[: number - 1]), sum(durations[:number])
    assert add_months(FIRST, months=begin) <= start < add_months(FIRST, months=end)
