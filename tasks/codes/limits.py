"""What the limits of a new code may be: none of them exceeds its voucher's."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from models.base import StoredRow


class Limits(Protocol):
    """What a code is limited to. None is no limit but the voucher's."""

    maximum_redemptions: int | None
    expires_at: datetime | None


def limit_problems(limits: Limits, *, voucher: StoredRow) -> Iterator[tuple[str, str]]:
    """This function will yield each field that exceeds what the voucher allows, and what is wrong with it."""
    maximum, expires_at = limits.maximum_redemptions, limits.expires_at
    if maximum is not None and voucher.maximum_redemptions is not None and maximum > voucher.maximum_redemptions:
        yield "maximumRedemptions", "must not exceed the voucher's maximumRedemptions"
    if expires_at is not None and voucher.expires_at is not None and expires_at > voucher.expires_at:
        yield "expiresAt", "must not be later than the voucher's expiresAt"
    if expires_at is not None and voucher.starts_at is not None and expires_at <= voucher.starts_at:
        yield "expiresAt", "must be later than the voucher's startsAt"
