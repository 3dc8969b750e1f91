"""Requests that several tests of discounts send."""

from typing import Any

from tests.support.requests import create_voucher, redeem


def grant(voucher: str | None = None, **fields: Any) -> dict[str, Any]:
    """Redeem a voucher on sub_1, starting in 2027."""
    named = {} if "code" in fields else {"voucher": voucher or create_voucher()["id"]}
    return redeem(**{"subscription": "sub_1", "startsOn": "2027-01-01", "currency": "USD", **named, **fields})
