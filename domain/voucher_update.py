"""Updates of a voucher: the reasons to refuse them, and whether the voucher is retired under the new terms."""

from datetime import datetime
from enum import StrEnum

from domain.terms import RetiredReason


class UpdateRefusal(StrEnum):
    """Every reason to refuse an update, in order of precedence."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    VOUCHER_ALREADY_REDEEMED = "voucher_already_redeemed"
    VOUCHER_HELD = "voucher_held"


# No update makes a voucher available again that was retired for one of these reasons.
PERMANENT_REASONS = {RetiredReason.MANUAL_ACTION, RetiredReason.UNKNOWN}


def retired_reason_after(
    reason: RetiredReason | None,
    *,
    expires_at: datetime | None,
    maximum_redemptions: int | None,
    redemptions: int,
    now: datetime,
) -> RetiredReason | None:
    """Return why a voucher with these terms is retired, or None if it is available.

    `reason` is the reason so far, and `redemptions` counts the places that are taken. A manual or unknown reason
    stays. Expired and full stay as long as they are true; after that, the other reason counts if that is true.
    """
    if reason in PERMANENT_REASONS:
        return reason
    causes = []
    if expires_at is not None and expires_at <= now:
        causes.append(RetiredReason.EXPIRED)
    if maximum_redemptions is not None and maximum_redemptions <= redemptions:
        causes.append(RetiredReason.MAX_REDEMPTIONS_REACHED)
    return reason if reason in causes else next(iter(causes), None)
