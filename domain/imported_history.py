"""What a voucher has behind it when it comes from another system."""

from datetime import datetime

from domain.terms import RetiredReason
from domain.value import value


@value
class ImportedHistory:
    """How often it was redeemed there, and whether it was withdrawn for a reason other than time or count."""

    redemptions: int
    is_withdrawn: bool


@value
class VoucherRetirement:
    """Why a voucher can no longer be redeemed, and since when."""

    reason: RetiredReason
    at: datetime


def retirement_of(
    history: ImportedHistory, *, maximum_redemptions: int | None, expires_at: datetime | None, now: datetime
) -> VoucherRetirement | None:
    """This function will say why such a voucher can never be redeemed here, or None where it can.

    What is used up stays so: of a voucher that is also over, the last redemption came first.
    """
    if maximum_redemptions is not None and history.redemptions >= maximum_redemptions:
        return VoucherRetirement(reason=RetiredReason.MAX_REDEMPTIONS_REACHED, at=now)
    if expires_at is not None and expires_at <= now:
        return VoucherRetirement(reason=RetiredReason.EXPIRED, at=expires_at)
    return VoucherRetirement(reason=RetiredReason.MANUAL_ACTION, at=now) if history.is_withdrawn else None
