"""Check the limits of new codes against those of their voucher."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from models.vouchers.row_types import ShownVoucherRow


class Limits(Protocol):
    """The own limits of a new code. None leaves a limit to the voucher."""

    maximum_redemptions: int | None
    maximum_redemptions_per_customer: int | None
    expires_at: datetime | None


def limit_errors(limits: Limits, *, voucher: ShownVoucherRow) -> Iterator[tuple[str, str]]:
    """Yield each field that exceeds a limit of the voucher, with a message."""
    maximum, expires_at = limits.maximum_redemptions, limits.expires_at
    if maximum is not None and voucher.maximum_redemptions is not None and maximum > voucher.maximum_redemptions:
        yield "maximumRedemptions", "must not exceed the voucher's maximumRedemptions"
    each, of_voucher = limits.maximum_redemptions_per_customer, voucher.maximum_redemptions_per_customer
    if each is not None and of_voucher is not None and each > of_voucher:
        yield "maximumRedemptionsPerCustomer", "must not exceed the voucher's maximumRedemptionsPerCustomer"
    if expires_at is not None and voucher.expires_at is not None and expires_at > voucher.expires_at:
        yield "expiresAt", "must not be later than the voucher's expiresAt"
    if expires_at is not None and voucher.starts_at is not None and expires_at <= voucher.starts_at:
        yield "expiresAt", "must be later than the voucher's startsAt"
