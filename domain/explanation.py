"""Why a discount took nothing off an invoice that does not name it, where a discount stands, and what was found.

The answer to an invoice names every discount that covers it, the first redeemed of each voucher. So the reason for each
other discount follows from its history, without the rules of invoices.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from domain.recurrence import Progress
from domain.reversal import is_completed
from domain.terms import Recurrence
from domain.value_class import value


class Absence(StrEnum):
    """Why the answer to an invoice does not name a discount, in order of precedence."""

    REDEEMED_LATER = "redeemed_later"
    IMPORTED_LATER = "imported_later"
    MOVED_AWAY = "moved_away"
    MOVED_LATER = "moved_later"
    OTHER_SUBSCRIPTION = "other_subscription"
    ENDED = "ended"
    ALREADY_APPLIED = "already_applied"
    COMPLETED = "completed"


class Standing(StrEnum):
    """Where a discount stands at present."""

    NOT_YET_BEGUN = "not_yet_begun"
    RUNNING = "running"
    COMPLETED = "completed"
    # It has something left, but its voucher, or 20 other discounts, run on the subscription.
    NO_ROOM = "no_room"
    ENDED = "ended"


class Place(StrEnum):
    """How a discount was moved, as seen from one of its subscriptions."""

    MOVED_HERE = "moved_here"
    MOVED_AWAY = "moved_away"


class Finding(StrEnum):
    """What is known about an invoice, a subscription or a customer, in a word."""

    INVOICE_NOT_FOUND = "invoice_not_found"
    TAKEN = "taken"
    NOTHING_TAKEN = "nothing_taken"
    GRANTED = "granted"
    OTHER_SUBSCRIPTION = "other_subscription"
    ONLY_REFUSED = "only_refused"
    ONLY_HELD = "only_held"
    NEVER_REDEEMED = "never_redeemed"


@value
class Move:
    """A move of a discount from a subscription to another."""

    source: str
    target: str
    at: datetime


@value
class History:
    """A discount's own history. `moves` are in the order of time, and `subscription` is the present one."""

    # The instant since which the discount is known here: of its redemption, or of its import from another system.
    granted_at: datetime
    subscription: str
    moves: Sequence[Move]
    ended_at: datetime | None
    # The instant of the first invoice that the discount took something off, reversed or not, or of the import of a
    # discount that had taken something elsewhere.
    first_taken_at: datetime | None
    is_imported: bool = False

    def subscription_at(self, at: datetime) -> str:
        """Return the subscription that the discount was on at an instant."""
        before = [each.target for each in self.moves if each.at <= at]
        if before:
            return before[-1]
        return self.moves[0].source if self.moves else self.subscription

    def left(self, subscription: str, *, by: datetime) -> bool:
        """Return whether the discount had been moved away from a subscription by an instant."""
        return any(each.source == subscription and each.at <= by for each in self.moves)

    def last_move_of(self, subscription: str) -> Move | None:
        """Return the last move of the discount to or from a subscription, or None if there was none."""
        return next((each for each in reversed(self.moves) if subscription in {each.source, each.target}), None)

    def was_on(self, subscription: str) -> bool:
        """Return whether the discount is or was on a subscription."""
        on = {self.subscription, *(each.source for each in self.moves), *(each.target for each in self.moves)}
        return subscription in on


def absence_of(history: History, *, subscription: str, at: datetime, comes_second: bool) -> Absence:
    """Return why the answer to an invoice, decided at an instant, does not name a discount.

    `comes_second` says that the answer names a discount of the same voucher that was redeemed earlier.
    """
    if history.granted_at > at:
        return Absence.IMPORTED_LATER if history.is_imported else Absence.REDEEMED_LATER
    if history.subscription_at(at) != subscription:
        if history.left(subscription, by=at):
            return Absence.MOVED_AWAY
        return Absence.MOVED_LATER if history.was_on(subscription) else Absence.OTHER_SUBSCRIPTION
    if history.ended_at is not None and history.ended_at <= at:
        return Absence.ENDED
    if comes_second:
        return Absence.ALREADY_APPLIED
    return _remaining(history, at=at)


def _remaining(history: History, *, at: datetime) -> Absence:
    # A discount that could still take something would be named. One that had never taken anything is not over, so it
    # came to the subscription while the invoice was decided.
    if history.first_taken_at is not None and history.first_taken_at <= at:
        return Absence.COMPLETED
    return Absence.MOVED_LATER if history.moves else Absence.REDEEMED_LATER


def standing_of(
    recurrence: Recurrence,
    *,
    progress: Progress,
    is_ended: bool,
    is_marked_running: bool,
    is_used_up: bool,
    today: date,
) -> Standing:
    """Return where a discount stands, whether or not a sweep has run.

    `is_used_up` says that the discount has a balance or a maximum in all, and nothing of that is left.
    """
    if is_ended:
        return Standing.ENDED
    if is_completed(recurrence, progress=progress, is_used_up=is_used_up, today=today):
        return Standing.COMPLETED
    if not is_marked_running:
        return Standing.NO_ROOM
    return Standing.RUNNING if progress.cycles else Standing.NOT_YET_BEGUN


def place_on(history: History, *, subscription: str) -> Place | None:
    """Return how a discount came to a subscription or left it, or None if it was redeemed there and stays."""
    if history.subscription != subscription:
        return Place.MOVED_AWAY if history.was_on(subscription) else None
    return Place.MOVED_HERE if history.moves else None
