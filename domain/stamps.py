"""Stamp cards: how many stamps are on a customer's card, oldest first out."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.eligibility import Candidate, Counts, Purchase, Refusal, judge
from domain.value import value

# The reasons that concern the voucher alone. A customer's limits are looked at when the card is complete.
ENDS_COLLECTING = (
    Refusal.VOUCHER_RETIRED,
    Refusal.VOUCHER_NOT_STARTED,
    Refusal.VOUCHER_EXPIRED,
    Refusal.MAX_REDEMPTIONS_REACHED,
)


@value
class StampCard:
    """How many stamps complete a card, and for how many days each of them counts; None is for ever."""

    stamps: int
    expire_days: int | None = None


@value
class Collected:
    """Stamps that were recorded at one instant, and whether a discount was granted for a card then."""

    at: datetime
    stamps: int
    completed_card: bool = False


def stamps_on_card(card: StampCard, *, entries: Iterable[Collected], at: datetime) -> int:
    """This function will return how many stamps count at that instant, of entries given in the order recorded.

    A granted discount takes a whole card's stamps, the oldest first; what is left opens the next card. A stamp
    counts up to `expire_days` after it was recorded, half-open. While a grant is refused there can be more than
    a card holds.
    """
    # Each with the instant at which its stamps expire.
    counting: deque[tuple[datetime | None, int]] = deque()
    for entry in entries:
        _drop_expired(counting, at=entry.at)
        counting.append((_expires_at(card, entry), entry.stamps))
        if entry.completed_card:
            _take(counting, stamps=card.stamps)
    _drop_expired(counting, at=at)
    return sum(stamps for _, stamps in counting)


def collecting_refusal(candidate: Candidate, *, redemptions: int, at: datetime) -> Refusal | None:
    """This function will return why no stamps of the voucher can be collected at that instant, or None."""
    counts = Counts(taken=redemptions, taken_by_customer=0, voucher_is_running=False, running_discounts=0)
    nothing = Purchase(products=frozenset(), currency=None, subtotal_minor=None)
    reason = judge(candidate, purchase=nothing, counts=counts, effective_at=at)
    return reason if reason in ENDS_COLLECTING else None


def _expires_at(card: StampCard, entry: Collected) -> datetime | None:
    return None if card.expire_days is None else entry.at + timedelta(days=card.expire_days)


def _drop_expired(counting: deque[tuple[datetime | None, int]], *, at: datetime) -> None:
    while counting and (expires_at := counting[0][0]) is not None and expires_at <= at:
        counting.popleft()


def _take(counting: deque[tuple[datetime | None, int]], *, stamps: int) -> None:
    while stamps and counting:
        expires_at, oldest = counting.popleft()
        if oldest > stamps:
            counting.appendleft((expires_at, oldest - stamps))
        stamps -= min(oldest, stamps)
