"""What a code promises beside its voucher, and why it no longer can be redeemed."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from domain.terms import RetiredReason
from domain.value import value


class CodeRetiredReason(StrEnum):
    """Why a code can no longer be redeemed: by itself, or because its voucher cannot."""

    MANUAL_ACTION = "manualAction"
    EXPIRED = "expired"
    MAX_REDEMPTIONS_REACHED = "maxRedemptionsReached"
    VOUCHER_EXPIRED = "voucherExpired"
    VOUCHER_MAX_REDEMPTIONS_REACHED = "voucherMaxRedemptionsReached"
    VOUCHER_MANUALLY_RETIRED = "voucherManuallyRetired"


Limit = TypeVar("Limit", int, datetime)

# Why a code is retired whose voucher is.
VOUCHER_REASONS = {
    RetiredReason.MANUAL_ACTION: CodeRetiredReason.VOUCHER_MANUALLY_RETIRED,
    RetiredReason.EXPIRED: CodeRetiredReason.VOUCHER_EXPIRED,
    RetiredReason.MAX_REDEMPTIONS_REACHED: CodeRetiredReason.VOUCHER_MAX_REDEMPTIONS_REACHED,
    RetiredReason.UNKNOWN: CodeRetiredReason.VOUCHER_MANUALLY_RETIRED,
}
# Stored only where somebody else has the text since: a code is else retired with its voucher without a word of its own.
TAKEN_OVER = frozenset(VOUCHER_REASONS.values())


@value
class CodeTerms:
    """A code's own limits, and who alone may use it. None is no limit but the voucher's."""

    expires_at: datetime | None = None
    maximum_redemptions: int | None = None
    customer: str | None = None
    retired_reason: CodeRetiredReason | None = None


@value
class CodeRetirement:
    """Why a code can no longer be redeemed, and since when."""

    reason: CodeRetiredReason
    at: datetime


def retirement_by_voucher(*, reason: RetiredReason, at: datetime) -> CodeRetirement:
    """This function will return what a voucher's retirement is to its codes."""
    return CodeRetirement(reason=VOUCHER_REASONS[reason], at=at)


def retirement_by_clock(
    *, expires_at: datetime | None, voucher_expires_at: datetime | None, now: datetime
) -> CodeRetirement | None:
    """This function will return the earlier of the ends of a code and of its voucher, or None before both."""
    ends = [
        CodeRetirement(reason=reason, at=at)
        for reason, at in (
            (CodeRetiredReason.EXPIRED, expires_at),
            (CodeRetiredReason.VOUCHER_EXPIRED, voucher_expires_at),
        )
        if at is not None and at <= now
    ]
    return first_retirement(ends)


def first_retirement(retirements: Iterable[CodeRetirement | None]) -> CodeRetirement | None:
    """This function will return the earliest of them: the first reason stays."""
    return min((each for each in retirements if each), key=lambda each: each.at, default=None)


def smaller_limit(own: Limit | None, *, vouchers: Limit | None) -> Limit | None:
    """This function will return the limit that counts for a code; None is no limit of its own."""
    if own is None or vouchers is None:
        return own
    return min(own, vouchers)
