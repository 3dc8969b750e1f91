"""Vouchers and discounts that a client creates through the broker."""

from tests.end_to_end.client import Client
from tests.support.requests import redemption, voucher_body


def created_voucher(client: Client, **fields: object) -> str:
    """Create a voucher of 10 % for ever, unless the fields differ, and return the voucher's id."""
    voucher_id: str = client.ask("vouchers.create", voucher_body(**fields))["id"]
    return voucher_id


def granted_discount(client: Client, *, subscription: str, **fields: object) -> str:
    """Create a voucher, redeem it for the subscription, and return the discount's id."""
    request = redemption(voucher=created_voucher(client, **fields), subscription=subscription, currency="USD")
    answer = client.ask("redemptions.redeem", request)
    assert answer["outcome"] == "accepted", answer
    discount_id: str = answer["discount"]
    return discount_id
