"""The rules of stamp cards: stamps are collected, expire, and are used by a completed card, the oldest first."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.eligibility import Candidate, Counts, Purchase, Refusal, judge
from domain.value_class import value

# The reasons that concern the voucher alone. The customer's limits are checked when the card is complete.
COLLECTING_REFUSALS = (
    Refusal.VOUCHER_RETIRED,
    Refusal.VOUCHER_NOT_STARTED,
    Refusal.VOUCHER_EXPIRED,
    Refusal.MAX_REDEMPTIONS_REACHED,
)


@value
class StampCard:
    """The number of stamps that complete a card, and the days for which each stamp counts. None means for ever."""

    stamps: int
    expire_days: int | None = None


@value
class Collected:
    """The stamps of an entry, and whether they completed a card for which a discount was granted."""

    at: datetime
    stamps: int
    completed_card: bool = False


def stamps_on_card(card: StampCard, *, entries: Iterable[Collected], at: datetime) -> int:
    """Return the number of stamps that count at that instant. `entries` are in the order recorded.

    A granted discount uses the stamps of a whole card, the oldest first. The rest opens the next card. A stamp expires
    exactly `expire_days` days after the entry. If a grant is refused, the stamps stay, so that there can be more stamps
    than a card has.
    """
    # The instant at which the stamps expire, and their number.
    counting: deque[tuple[datetime | None, int]] = deque()
    for entry in entries:
        _drop_expired(counting, at=entry.at)
        counting.append((_expires_at(card, entry), entry.stamps))
        if entry.completed_card:
            _use(counting, stamps=card.stamps)
    _drop_expired(counting, at=at)
    return sum(stamps for _, stamps in counting)


def collecting_refusal(candidate: Candidate, *, taken: int, at: datetime) -> Refusal | None:
    """Return the reason why no stamps of the voucher can be collected at that instant, or None.

    `taken` is the number of places of the voucher that are taken.
    """
    counts = Counts(taken=taken, taken_by_customer=0, voucher_is_running=False, running_discounts=0)
    no_purchase = Purchase(products=frozenset(), currency=None, subtotal_minor=None)
    reason = judge(candidate, purchase=no_purchase, counts=counts, effective_at=at)
    return reason if reason in COLLECTING_REFUSALS else None


def _expires_at(card: StampCard, entry: Collected) -> datetime | None:
    return None if card.expire_days is None else entry.at + timedelta(days=card.expire_days)


def _drop_expired(counting: deque[tuple[datetime | None, int]], *, at: datetime) -> None:
    while counting and (expires_at := counting[0][0]) is not None and expires_at <= at:
        counting.popleft()


def _use(counting: deque[tuple[datetime | None, int]], *, stamps: int) -> None:
    while stamps and counting:
        expires_at, oldest = counting.popleft()
        if oldest > stamps:
            counting.appendleft((expires_at, oldest - stamps))
        stamps -= min(oldest, stamps)
