"""The history of a voucher that is imported from another system."""

from datetime import datetime

from domain.terms import RetiredReason
from domain.value_class import value


@value
class ImportedHistory:
    """How often a voucher was redeemed in the other system, and whether it can no longer be redeemed there."""

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
    """Return why an imported voucher is retired from the start, or None if it is available.

    Full goes before expired: in a voucher that is both, the last redemption came before the end.
    """
    if maximum_redemptions is not None and history.redemptions >= maximum_redemptions:
        return VoucherRetirement(reason=RetiredReason.MAX_REDEMPTIONS_REACHED, at=now)
    if expires_at is not None and expires_at <= now:
        return VoucherRetirement(reason=RetiredReason.EXPIRED, at=expires_at)
    return VoucherRetirement(reason=RetiredReason.MANUAL_ACTION, at=now) if history.is_withdrawn else None
