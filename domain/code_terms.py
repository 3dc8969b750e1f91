"""The terms of a code beside those of its voucher, and the reasons why a code is retired."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from domain.terms import RetiredReason
from domain.value_class import value


class CodeRetiredReason(StrEnum):
    """Why a code can no longer be redeemed. Some reasons are those of the voucher."""

    MANUAL_ACTION = "manualAction"
    EXPIRED = "expired"
    MAX_REDEMPTIONS_REACHED = "maxRedemptionsReached"
    VOUCHER_EXPIRED = "voucherExpired"
    VOUCHER_MAX_REDEMPTIONS_REACHED = "voucherMaxRedemptionsReached"
    VOUCHER_MANUALLY_RETIRED = "voucherManuallyRetired"


Limit = TypeVar("Limit", int, datetime)

# The reason that the codes of a retired voucher show, by the voucher's reason.
REASONS_BY_VOUCHER = {
    RetiredReason.MANUAL_ACTION: CodeRetiredReason.VOUCHER_MANUALLY_RETIRED,
    RetiredReason.EXPIRED: CodeRetiredReason.VOUCHER_EXPIRED,
    RetiredReason.MAX_REDEMPTIONS_REACHED: CodeRetiredReason.VOUCHER_MAX_REDEMPTIONS_REACHED,
    RetiredReason.UNKNOWN: CodeRetiredReason.VOUCHER_MANUALLY_RETIRED,
}
# A code's row gets one of these reasons only when another code takes its text. Otherwise a code of a retired voucher
# is shown as retired without being changed.
LOST_TEXT_REASONS = frozenset(REASONS_BY_VOUCHER.values())


@value
class CodeTerms:
    """A code's own limits, and the only customer who may use it. None leaves the limits to the voucher."""

    expires_at: datetime | None = None
    maximum_redemptions: int | None = None
    maximum_redemptions_per_customer: int | None = None
    customer: str | None = None
    retired_reason: CodeRetiredReason | None = None


@value
class CodeRetirement:
    """Why a code can no longer be redeemed, and since when."""

    reason: CodeRetiredReason
    at: datetime


def retirement_by_voucher(*, reason: RetiredReason, at: datetime) -> CodeRetirement:
    """Return the retirement of a code whose voucher is retired."""
    return CodeRetirement(reason=REASONS_BY_VOUCHER[reason], at=at)


def retirement_by_clock(
    *, expires_at: datetime | None, voucher_expires_at: datetime | None, now: datetime
) -> CodeRetirement | None:
    """Return the retirement of a code whose own end or whose voucher's end has come, or None before both.

    If both ends have come, the earlier end is the reason.
    """
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
    """Return the earliest retirement, or None if there is none. The first of several reasons stays."""
    return min((each for each in retirements if each), key=lambda each: each.at, default=None)


def smaller_limit(own: Limit | None, *, of_voucher: Limit | None) -> Limit | None:
    """Return the limit that a code shows: the smaller of both, or None if the code has no own limit."""
    if own is None or of_voucher is None:
        return own
    return min(own, of_voucher)
