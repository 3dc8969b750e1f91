"""Reversals: reasons in order of precedence, shares that add up, and the progress of a discount afterwards."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.recurrence import Period, Progress, advance
from domain.reversal import (
    BilledLine,
    ReversalKind,
    ReversalRefusal,
    is_completed,
    judge_reversal,
    progress_through,
    shares_of_refund,
)
from domain.terms import Recurrence, RecurrenceType

VOIDED, FAILED, CHARGED_BACK, REFUNDED = ReversalKind
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def line(amount: int, *, refunded: int = 0, returned: dict[UUID, int] | None = None, **taken: int) -> BilledLine:
    """Return a line with the amounts that discounts took off. `_1=10` is discount 1 with 10 minor units."""
    by_discount = {UUID(int=int(name[1:])): amount for name, amount in taken.items()}
    return BilledLine(amount_minor=amount, by_discount=by_discount, refunded_minor=refunded, returned=returned or {})


LINES = {"base": line(100, _1=10, refunded=60), "credit": line(-5)}


@pytest.mark.parametrize(
    ("kind", "earlier", "refunds", "expected"),
    [
        (FAILED, {VOIDED}, {}, ReversalRefusal.ALREADY_REVERSED),
        (REFUNDED, {FAILED}, {"other": 1}, ReversalRefusal.ALREADY_REVERSED),
        (CHARGED_BACK, {CHARGED_BACK, REFUNDED}, {}, ReversalRefusal.ALREADY_REVERSED),
        (VOIDED, {REFUNDED}, {}, ReversalRefusal.ALREADY_REFUNDED),
        (FAILED, {REFUNDED}, {}, ReversalRefusal.ALREADY_REFUNDED),
        (REFUNDED, {REFUNDED}, {"other": 1, "base": 41}, ReversalRefusal.LINE_NOT_FOUND),
        (REFUNDED, {REFUNDED}, {"base": 41}, ReversalRefusal.AMOUNT_EXCEEDS_LINE),
        (REFUNDED, set(), {"credit": 1}, ReversalRefusal.AMOUNT_EXCEEDS_LINE),
        (REFUNDED, {REFUNDED}, {"base": 40}, None),
        (VOIDED, set(), {}, None),
    ],
)
def test_the_first_reason_that_is_true_is_the_answer(kind, earlier, refunds, expected):
    """Each row breaks its own rule, and the first rows break later rules too."""
    assert judge_reversal(kind, earlier=earlier, lines=LINES, refunds=refunds) is expected


@pytest.mark.parametrize(
    ("earlier", "refunded", "expected"),
    [
        ({FAILED, REFUNDED}, 60, ReversalRefusal.ALREADY_REVERSED),
        ({REFUNDED}, 100, ReversalRefusal.ALREADY_REFUNDED),
        ({REFUNDED}, 99, None),
        (set(), 0, None),
    ],
)
def test_the_rest_after_refunds_can_be_charged_back(earlier, refunded, expected):
    """A credit is never refunded, and does not count as a rest."""
    lines = {"base": line(100, _1=10, refunded=refunded), "credit": line(-5)}
    assert judge_reversal(CHARGED_BACK, earlier=earlier, lines=lines, refunds={}) is expected


@st.composite
def refunded_lines(draw: st.DrawFn) -> tuple[int, dict[UUID, int], list[int]]:
    """Draw the amount of a line, the amounts of up to three discounts, and refunds that add up to the line."""
    amount = draw(st.integers(1, 10**12))
    taken: dict[UUID, int] = {}
    for discount in (ONE, TWO, THREE)[: draw(st.integers(0, 3))]:
        taken[discount] = draw(st.integers(1, max(1, amount - sum(taken.values()))))
        if sum(taken.values()) > amount:
            del taken[discount]
    cuts = sorted({*draw(st.lists(st.integers(1, amount), max_size=8)), amount})
    return amount, taken, [high - low for low, high in zip([0, *cuts[:-1]], cuts, strict=True)]


@given(refunded_lines())
def test_refunds_in_any_number_add_up_to_exactly_each_discount(drawn):
    """No share is negative or exceeds the rest, and after each refund the total is the rounded share."""
    amount, taken, parts = drawn
    returned, refunded = dict.fromkeys(taken, 0), 0
    for part in parts:
        billed = BilledLine(amount_minor=amount, by_discount=taken, refunded_minor=refunded, returned=returned)
        shares = shares_of_refund(billed, amount_minor=part)
        refunded += part
        returned = {each: returned[each] + shares[each] for each in taken}
        assert all(share >= 0 for share in shares.values())
        assert all(returned[each] <= taken[each] for each in taken)
        # The total is rounded half up.
        exact = 2 * refunded * sum(taken.values())
        assert -amount < 2 * amount * sum(returned.values()) - exact <= amount
    assert returned == taken


MONTHLY = Recurrence(type=RecurrenceType.REPEATING, duration_in_months=2)
CYCLES = Recurrence(type=RecurrenceType.REPEATING, duration_in_cycles=2)
ONCE = Recurrence(type=RecurrenceType.ONCE)
FOREVER = Recurrence(type=RecurrenceType.FOREVER)
STARTS = st.integers(0, 40).map(lambda days: date(2026, 1, 1) + timedelta(days=days))
PERIODS = st.builds(
    lambda start, days: Period(start=start, end=start + timedelta(days=days)), STARTS, st.integers(1, 9)
)


@given(st.sampled_from([MONTHLY, FOREVER]), st.lists(PERIODS, max_size=6))
def test_progress_is_that_of_applying_the_remaining_invoices(recurrence, periods):
    """Computing the progress anew gives the same as advancing it with each invoice."""
    progress, starts = Progress(), []
    for period in periods:
        progress = advance(recurrence, progress=progress, cycle=period, is_new_cycle=period.start not in starts)
        starts.append(period.start)
    assert progress_through(recurrence, cycles=periods) == progress
    assert progress.cycles == len({period.start for period in periods})


@pytest.mark.parametrize(
    ("recurrence", "periods", "is_used_up", "expected"),
    [
        (ONCE, 0, False, False),
        (ONCE, 1, False, True),
        (FOREVER, 3, False, False),
        (FOREVER, 1, True, True),
        (MONTHLY, 0, False, False),
        (MONTHLY, 1, False, True),
        (CYCLES, 1, False, False),
        (CYCLES, 2, False, True),
    ],
)
def test_a_discount_that_takes_nothing_off_coming_periods_is_completed(recurrence, periods, is_used_up, expected):
    """The day is long after the last period."""
    every = [Period(start=date(2026, month, 1), end=date(2026, month + 1, 1)) for month in range(1, periods + 1)]
    progress = progress_through(recurrence, cycles=every)
    assert is_completed(recurrence, progress=progress, is_used_up=is_used_up, today=date(2027, 1, 1)) is expected
