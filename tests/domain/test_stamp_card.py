"""Stamp cards: stamps are counted, used by a grant, and expire, the oldest first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.eligibility import Candidate, Refusal
from domain.stamp_card import Collected, StampCard, collecting_refusal, stamps_on_card
from domain.terms import PercentageDiscount, Restrictions, RetiredReason

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
TEN = StampCard(stamps=10, expire_days=90)


def on(day: float) -> datetime:
    """Return the instant so many days after the start."""
    return START + timedelta(days=day)


def entry(day: float, stamps: int, *, completed: bool = False) -> Collected:
    """Return stamps that were recorded on that day."""
    return Collected(at=on(day), stamps=stamps, completed_card=completed)


@pytest.mark.parametrize(
    ("entries", "day", "left"),
    [
        ([], 0, 0),
        ([entry(0, 3), entry(1, 4)], 1, 7),
        # A grant uses a whole card, and surplus stamps open the next card.
        ([entry(0, 8), entry(1, 5, completed=True)], 1, 3),
        ([entry(0, 9), entry(1, 1, completed=True)], 1, 0),
        # A refused grant uses nothing. The next grant uses one card.
        ([entry(0, 9), entry(1, 5)], 1, 14),
        ([entry(0, 9), entry(1, 5), entry(2, 1, completed=True)], 2, 5),
        # Each stamp expires 90 days after it was recorded, not a moment earlier.
        ([entry(0, 3), entry(10, 4)], 89.999, 7),
        ([entry(0, 3), entry(10, 4)], 90, 4),
        ([entry(0, 3), entry(10, 4)], 100, 0),
        # A grant uses only stamps that have not expired.
        ([entry(0, 5), entry(91, 10, completed=True)], 91, 0),
        # The oldest stamps are used first, so the rest expires last.
        ([entry(0, 8), entry(50, 5, completed=True)], 90, 3),
        ([entry(0, 8), entry(50, 5, completed=True)], 140, 0),
    ],
)
def test_the_stamps_on_a_card_are_counted(entries, day, left):
    """The card has 10 stamps, and each counts for 90 days."""
    assert stamps_on_card(TEN, entries=entries, at=on(day)) == left


def test_stamps_without_an_expiry_count_for_ever():
    """Also after a hundred years."""
    card = StampCard(stamps=10)
    assert stamps_on_card(card, entries=[entry(0, 9)], at=on(36_500)) == 9


DAYS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=25).map(sorted)


@given(DAYS, st.integers(1, 30) | st.none(), st.integers(0, 60))
def test_the_result_is_that_of_counting_every_stamp_by_itself(days, expire_days, later):
    """The model is a list of days, one for each stamp. A grant uses the first ten that have not expired."""
    card = StampCard(stamps=10, expire_days=expire_days)
    entries: list[Collected] = []
    single: list[int] = []

    def counting(day: int) -> list[int]:
        return [each for each in single if expire_days is None or each + expire_days > day]

    for day, stamps in days:
        single = counting(day) + [day] * stamps
        entries.append(entry(day, stamps))
        assert stamps_on_card(card, entries=entries, at=on(day)) == len(single)
        if len(single) >= card.stamps:
            single = single[card.stamps :]
            entries[-1] = entry(day, stamps, completed=True)
    end = 40 + later
    assert stamps_on_card(card, entries=entries, at=on(end)) == len(counting(end))


@given(st.lists(st.integers(1, 10), max_size=40))
def test_without_expiry_a_card_is_granted_for_every_ten_stamps(stamps):
    """Stamps divided by ten are the grants, and the remainder is on the card."""
    card, entries = StampCard(stamps=10), list[Collected]()
    for day, each in enumerate(stamps):
        entries.append(entry(day, each))
        completes = stamps_on_card(card, entries=entries, at=on(day)) >= card.stamps
        entries[-1] = entry(day, each, completed=completes)
    grants = sum(each.completed_card for each in entries)
    assert (grants, stamps_on_card(card, entries=entries, at=on(99))) == divmod(sum(stamps), 10)


OPEN = Candidate(
    price_discount=PercentageDiscount(millionths=100_000),
    restrictions=Restrictions(
        starts_at=on(0),
        expires_at=on(10),
        maximum_redemptions=5,
        maximum_redemptions_per_customer=1,
        products=frozenset({"coffee"}),
    ),
    retired_reason=None,
    needs_stamp_card=True,
)


@pytest.mark.parametrize(
    ("candidate", "taken", "day", "reason"),
    [
        (OPEN, 4, 5, None),
        (replace(OPEN, retired_reason=RetiredReason.MANUAL_ACTION), 5, 11, Refusal.VOUCHER_RETIRED),
        (OPEN, 5, -1, Refusal.VOUCHER_NOT_STARTED),
        (OPEN, 5, 10, Refusal.VOUCHER_EXPIRED),
        (OPEN, 5, 5, Refusal.MAX_REDEMPTIONS_REACHED),
        (replace(OPEN, retired_reason=RetiredReason.EXPIRED), 4, 5, None),
    ],
)
def test_stamps_are_collected_while_the_voucher_can_be_redeemed(candidate, taken, day, reason):
    """The rules about customer, subscription and purchase are checked when the card is complete."""
    assert collecting_refusal(candidate, taken=taken, at=on(day)) is reason
