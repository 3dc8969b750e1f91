"""Requests that several tests of invoices and reversals send."""

from typing import Any

from sqlalchemy import text

from tests.support.requests import create_voucher, redeem
from worker.database import transaction

LIMITED = {"restrictions": {"maximumRedemptions": 2, "maximumRedemptionsPerCustomer": 1}}


def grant(**fields) -> dict:
    """Redeem a new voucher on sub_1, starting in 2027."""
    return redeem(voucher=create_voucher(**fields)["id"], subscription="sub_1", startsOn="2027-01-01")


def reversal(**fields) -> dict:
    """Return a request that voids inv_1, except for the given fields."""
    return {"project": "gigs", "invoice": "inv_1", "kind": "voided", **fields}


def refunded(number: int, amount: int = 1000) -> dict:
    """Return a request that refunds that amount of inv_1."""
    lines = [{"id": "base", "amount": amount}]
    return reversal(kind="refunded", requestId=f"r{number}", lines=lines)


def free(table: str, column: str) -> list[Any]:
    """Return the rows that no other transaction has locked."""
    query = f"SELECT {column} FROM {table} FOR UPDATE SKIP LOCKED"  # noqa: S608 - our tables
    with transaction() as other:
        return list(other.execute(text(query)).scalars())


def grant_for_product_a(**voucher) -> dict:
    """Redeem a new voucher on sub_1, starting in 2027, for the product prod_a."""
    created = create_voucher(**voucher)
    options = {"currency": "USD", "products": ["prod_a"], "startsOn": "2027-01-01"}
    return redeem(voucher=created["id"], subscription="sub_1", **options)


def redeem_again(first: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Redeem the same voucher for the same customer on another subscription."""
    return redeem(voucher=first["voucher"], customer="cus_1", currency="USD", **fields)
