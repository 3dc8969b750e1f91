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
    voucher_id: UUID, *, is_exclusive: bool, running: Sequence[UUID], beside: Others, held: Others, is_held: bool
) -> ChangeRefusal | None:
    """Return why no further discount of a voucher can run on a subscription, or None.

    `running` has the vouchers of the discounts that run there, and `beside` says if one is exclusive. `held` are the
    holds there, and `is_held` says that one of them is of this voucher. A hold is never the reason for a final refusal.
    """
    if voucher_id in running:
        return ChangeRefusal.ALREADY_APPLIED
    if not is_combinable(is_exclusive=is_exclusive, others=beside):
        return ChangeRefusal.NOT_COMBINABLE
    if len(running) >= DISCOUNTS_PER_SUBSCRIPTION_MAX:
        return ChangeRefusal.DISCOUNT_LIMIT_REACHED
    is_kept = is_held or not is_combinable(is_exclusive=is_exclusive, others=held)
    return ChangeRefusal.FULLY_RESERVED if is_kept else None
