"""Decide whether a discount may be moved or extended, and whether a subscription has room for it."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from domain.combination import Others, is_combinable
from domain.eligibility import DISCOUNTS_PER_SUBSCRIPTION_MAX


class ChangeKind(StrEnum):
    """What an operator changed of a discount. A discount that has ended changes no more."""

    MOVED = "moved"
    EXTENDED = "extended"
    ENDED = "ended"


class ChangeRefusal(StrEnum):
    """The reasons to refuse a change of a discount, in order of precedence: the answer is the first that applies."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    DISCOUNT_ENDED = "discount_ended"
    DISCOUNT_COMPLETED = "discount_completed"
    ALREADY_APPLIED = "already_applied"
    NOT_COMBINABLE = "not_combinable"
    DISCOUNT_LIMIT_REACHED = "discount_limit_reached"
    # Last: the hold may lapse, so a retry can succeed.
    FULLY_RESERVED = "fully_reserved"


def room_refusal(
    voucher_id: UUID, *, is_exclusive: bool, running: Sequence[UUID], others: Others, is_held: bool
) -> ChangeRefusal | None:
    """Return why no further discount of a voucher can run on a subscription, or None.

    `running` has the vouchers of the discounts that run there. `is_held` says that a hold keeps the voucher for it.
    `others` are those that run, and all that are held there.
    """
    if voucher_id in running:
        return ChangeRefusal.ALREADY_APPLIED
    if not is_combinable(is_exclusive=is_exclusive, others=others):
        return ChangeRefusal.NOT_COMBINABLE
    if len(running) >= DISCOUNTS_PER_SUBSCRIPTION_MAX:
        return ChangeRefusal.DISCOUNT_LIMIT_REACHED
    return ChangeRefusal.FULLY_RESERVED if is_held else None
