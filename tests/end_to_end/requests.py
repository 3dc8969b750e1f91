"""Vouchers as a billing system asks for them. Redemptions and invoices are those of tests/tasks/requests.py."""

from tests.end_to_end.running import Client, Json
from tests.support.requests import redemption


def voucher(**fields: object) -> Json:
    """This function will return a voucher of 10 % for ever, except for what is said otherwise."""
    price = {} if "priceDiscount" in fields else {"priceDiscountPercentage": 10}
    return {"project": "gigs", "name": "Ten percent", "recurrence": {"type": "forever"}, **price, **fields}


def created(client: Client, **fields: object) -> str:
    """This function will create such a voucher and return its id."""
    identity: str = client.ask("vouchers.create", voucher(**fields))["id"]
    return identity


def granted(client: Client, *, subscription: str, **fields: object) -> str:
    """This function will create such a voucher, redeem it for the subscription, and return the discount's id."""
    request = redemption(voucher=created(client, **fields), subscription=subscription, currency="USD")
    answer = client.ask("redemptions.redeem", request)
    assert answer["outcome"] == "accepted", answer
    identity: str = answer["discount"]
    return identity
