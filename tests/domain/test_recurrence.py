"""Recurrence: the billing periods that a discount covers, for any anchor day and order of arrival."""

from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.recurrence import Period, Progress, add_months, advance, covers
from domain.terms import Recurrence, RecurrenceType
from tests.cases.load import cases

FOREVER = Recurrence(type=RecurrenceType.FOREVER)
ONCE = Recurrence(type=RecurrenceType.ONCE)
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


def repeating(months: int) -> Recurrence:
    """Return a recurrence of that many months."""
    return Recurrence(type=RecurrenceType.REPEATING, duration_in_months=months)


def in_cycles(cycles: int) -> Recurrence:
    """Return a recurrence of that many billing periods."""
    return Recurrence(type=RecurrenceType.REPEATING, duration_in_cycles=cycles)


def bill(recurrence: Recurrence, starts: list[date]) -> tuple[list[date], Progress]:
    """Offer periods to a discount in that order, and return the periods that it covers."""
    progress, covered = Progress(), []
    for start in starts:
        is_new_cycle = start not in covered
        if not covers(recurrence, progress=progress, start=start, is_new_cycle=is_new_cycle):
            continue
        period = Period(start=start, end=start + timedelta(days=1))
        progress = advance(recurrence, progress=progress, cycle=period, is_new_cycle=is_new_cycle)
        covered.append(start)
    return covered, progress


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 1, 31), 3, date(2026, 4, 30)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 5, 15), 999, date(2109, 8, 15)),
    ],
)
def test_adding_months_clamps_to_the_last_day(day, months, expected):
    """The 31st plus one month is the last day of a shorter month."""
    assert add_months(day, months=months) == expected


@pytest.mark.parametrize("case", cases("recurrence"))
def test_a_repeating_discount_covers_the_periods_that_public_systems_document(case):
    """The numbers are from the documentation of Stripe, Polar and Gigs."""
    starts = [date.fromisoformat(start) for start in case["starts"]]
    covered, _ = bill(repeating(case["months"]), starts)
    assert covered == starts[: case["covered"]]


@given(DAYS, st.integers(min_value=1, max_value=36))
def test_n_months_are_n_monthly_invoices_whatever_the_anchor(first, months):
    """The anchor may be the 29th, 30th or 31st."""
    starts = [add_months(first, months=index) for index in range(months + 5)]
    covered, progress = bill(repeating(months), starts)
    assert covered == starts[:months]
    assert progress.cycles == months
    assert progress.ends_on == add_months(first, months=months)


@given(DAYS, st.integers(min_value=1, max_value=60))
def test_n_months_are_every_started_year_of_a_yearly_plan(first, months):
    """The number of years is ceil(N / 12)."""
    starts = [add_months(first, months=12 * index) for index in range(7)]
    covered, _ = bill(repeating(months), starts)
    assert len(covered) == -(-months // 12)


@given(DAYS, st.integers(min_value=1, max_value=6), st.sampled_from([7, 14, 30]))
def test_short_periods_are_covered_while_they_start_in_the_window(first, months, days):
    """On weekly and 30-day plans, every period that starts before the end of the window is covered."""
    starts = [first + timedelta(days=days * index) for index in range(40)]
    covered, _ = bill(repeating(months), starts)
    assert covered == [start for start in starts if start < add_months(first, months=months)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_arrival_does_not_matter_inside_the_window(order):
    """Three monthly periods fit into three months: in any order, all are covered and the window is the same."""
    starts = [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
    covered, progress = bill(repeating(3), [starts[index] for index in order])
    assert sorted(covered) == starts
    assert (progress.first_start, progress.ends_on) == (starts[0], date(2026, 4, 30))


@given(st.permutations([add_months(date(2026, 1, 31), months=index) for index in range(7)]))
def test_no_order_of_arrival_covers_more_than_the_window(starts):
    """Four months never cover five monthly periods, and the covered periods lie in a window of four months."""
    covered, progress = bill(repeating(4), starts)
    assert len(covered) <= 4
    assert max(covered) < add_months(min(covered), months=4) == progress.ends_on


def test_an_earlier_period_that_arrives_late_moves_the_window_back():
    """February arrives after March, so the window starts in February and May is outside."""
    covered, progress = bill(repeating(3), [date(2026, 3, 1), date(2026, 2, 1), date(2026, 4, 1), date(2026, 5, 1)])
    assert covered == [date(2026, 3, 1), date(2026, 2, 1), date(2026, 4, 1)]
    assert progress.ends_on == date(2026, 5, 1)


def test_an_earlier_period_does_not_push_a_discounted_one_out_of_the_window():
    """March, April and May were discounted, so February would be a fourth month."""
    covered, _ = bill(repeating(3), [date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1), date(2026, 2, 1)])
    assert date(2026, 2, 1) not in covered


def test_once_covers_one_invoice_and_forever_covers_all():
    """A `once` covers the period that arrives first, not the earliest."""
    starts = [date(2026, 5, 1), date(2026, 4, 1), date(2026, 6, 1)]
    assert bill(ONCE, starts)[0] == starts[:1]
    assert bill(FOREVER, starts)[0] == starts


def test_the_window_of_once_ends_with_its_period_and_that_of_forever_never():
    """An answer shows this date as `fullPriceFrom`."""
    assert bill(ONCE, [date(2026, 5, 1)])[1].ends_on == date(2026, 5, 2)
    assert bill(FOREVER, [date(2026, 5, 1)])[1].ends_on is None


def test_invoices_of_one_period_are_one_cycle():
    """Two periods with the same start count once."""
    assert bill(FOREVER, [date(2026, 5, 1), date(2026, 5, 1), date(2026, 6, 1)])[1].cycles == 2


WEEKLY = [date(2026, 1, 30) + timedelta(days=7 * index) for index in range(6)]


@pytest.mark.parametrize(
    ("cycles", "arrived", "covered", "ends_on"),
    [
        # Three cycles of a weekly plan are three weeks. The end is known when the third week has arrived.
        (3, [0], [0], None),
        (3, [0, 1], [0, 1], None),
        (3, [0, 1, 2], [0, 1, 2], 2),
        (3, [0, 1, 2, 3, 4], [0, 1, 2], 2),
        # In any order, the first three weeks that arrive are covered.
        (3, [4, 0, 2, 1, 3], [4, 0, 2], 4),
        # Another invoice of a covered week is covered, an invoice of a further week is not.
        (2, [1, 1, 0, 1, 0, 2], [1, 1, 0, 1, 0], 1),
        (1, [3, 3, 4], [3, 3], 3),
    ],
)
def test_n_cycles_of_a_weekly_plan_are_the_first_n_weeks_that_arrive(cycles, arrived, covered, ends_on):
    """Weeks are given by their index. In these rows, each period ends a day after its start."""
    found, progress = bill(in_cycles(cycles), [WEEKLY[index] for index in arrived])
    assert found == [WEEKLY[index] for index in covered]
    assert progress.ends_on == (None if ends_on is None else WEEKLY[ends_on] + timedelta(days=1))


@given(st.integers(min_value=1, max_value=6), st.lists(st.sampled_from(WEEKLY), max_size=12))
def test_n_cycles_are_n_distinct_periods_in_any_order_of_arrival(cycles, starts):
    """If N periods arrive, exactly N are covered, each with all of its invoices."""
    covered, progress = bill(in_cycles(cycles), starts)
    distinct = list(dict.fromkeys(starts))[:cycles]
    assert covered == [start for start in starts if start in distinct]
    assert progress.cycles == len(set(covered)) == min(cycles, len(set(starts)))
    assert progress.ends_on == (max(distinct) + timedelta(days=1) if len(distinct) == cycles else None)


def test_the_end_is_the_latest_of_all_periods():
    """A long period can start first and end last."""
    progress = Progress()
    for start, end in ((date(2026, 1, 1), date(2027, 1, 1)), (date(2026, 2, 1), date(2026, 3, 1))):
        progress = advance(in_cycles(2), progress=progress, cycle=Period(start=start, end=end), is_new_cycle=True)
    assert (progress.cycles, progress.ends_on) == (2, date(2027, 1, 1))


def test_an_end_that_is_known_does_not_move():
    """If another invoice of a covered period has a later end, the window does not move and does not open again."""
    progress, start = Progress(), date(2026, 1, 1)
    for end, is_new_cycle in ((date(2026, 2, 1), True), (date(2027, 1, 1), False)):
        period = Period(start=start, end=end)
        progress = advance(in_cycles(1), progress=progress, cycle=period, is_new_cycle=is_new_cycle)
    assert (progress.ends_on, progress.last_end) == (date(2026, 2, 1), date(2027, 1, 1))
