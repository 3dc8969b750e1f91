"""The instant that counts for the start and the end of a voucher."""

from datetime import datetime, timedelta


def decisive_instant(*, decided_at: datetime, requested_at: datetime | None, grace: timedelta) -> datetime:
    """Return the instant at which the voucher must be open.

    Up to `grace` before the decision, `requested_at` counts, so that a delay in the queue costs the customer nothing.
    Otherwise the instant of the decision counts, also if `requested_at` lies in the future.
    """
    if requested_at is not None and decided_at - grace <= requested_at <= decided_at:
        return requested_at
    return decided_at
