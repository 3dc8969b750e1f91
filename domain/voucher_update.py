"""What a change of its terms does to a voucher: whether it may be made, and whether the voucher is available then."""

from datetime import datetime
from enum import StrEnum

from domain.terms import RetiredReason


class UpdateRefusal(StrEnum):
    """Every reason for refusing an update, in order of precedence."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    VOUCHER_ALREADY_REDEEMED = "voucher_already_redeemed"
    VOUCHER_HELD = "voucher_held"


# Nothing but a new voucher undoes these.
FOR_GOOD = {RetiredReason.MANUAL_ACTION, RetiredReason.UNKNOWN}


def retired_reason_after(
    reason: RetiredReason | None,
    *,
    expires_at: datetime | None,
    maximum_redemptions: int | None,
    redemptions: int,
    now: datetime,
) -> RetiredReason | None:
    """This function will return why a voucher is retired under its new terms, or None where it is not.

    What was retired by hand stays so. For the rest the first reason stays as long as it is true, and a voucher that
    has neither expired nor is full is available.
    """
    if reason in FOR_GOOD:
        return reason
    causes = []
    if expires_at is not None and expires_at <= now:
        causes.append(RetiredReason.EXPIRED)
    if maximum_redemptions is not None and maximum_redemptions <= redemptions:
        causes.append(RetiredReason.MAX_REDEMPTIONS_REACHED)
    return reason if reason in causes else next(iter(causes), None)
