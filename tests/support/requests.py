"""Requests as callers send them, and the tasks called as plain functions."""

from itertools import count
from typing import Any

from tests.support.tasks import task_named

_numbers = count(1)


def voucher_body(**fields: Any) -> dict[str, Any]:
    """This function will return a voucher of 10 % for ever, except for what is said otherwise."""
    if "priceDiscount" not in fields:
        fields = {"priceDiscountPercentage": 10, **fields}
    return {"project": "gigs", "name": "Ten percent", "recurrence": {"type": "forever"}, **fields}


def create_voucher(**fields: Any) -> dict[str, Any]:
    """This function will create such a voucher."""
    answer: dict[str, Any] = task_named("vouchers.create")(request=voucher_body(**fields))
    return answer


def redemption(**fields: Any) -> dict[str, Any]:
    """This function will return a request of its own customer and subscription, except for what is said otherwise."""
    number = next(_numbers)
    return {
        "project": "gigs",
        "requestId": f"order-{number}",
        "customer": f"cus_{number}",
        "subscription": f"sub_{number}",
        **fields,
    }


def redeem(**fields: Any) -> dict[str, Any]:
    """This function will redeem such a request."""
    answer: dict[str, Any] = task_named("redemptions.redeem")(request=redemption(**fields))
    return answer


def invoice(**fields: Any) -> dict[str, Any]:
    """This function will return an invoice over 80.00 USD for February 2027, except for what is said otherwise."""
    return {
        "project": "gigs",
        "invoice": f"inv_{next(_numbers)}",
        "subscription": "sub_1",
        "customer": "cus_1",
        "currency": "USD",
        "period": {"start": "2027-02-01", "end": "2027-03-01"},
        "lines": [{"id": "base", "amount": 8000}],
        **fields,
    }


def apply(**fields: Any) -> dict[str, Any]:
    """This function will discount such an invoice."""
    answer: dict[str, Any] = task_named("billing.apply")(request=invoice(**fields))
    return answer


def add_codes(voucher: dict[str, Any], *new: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """This function will add codes to a voucher and return them."""
    body = {"project": voucher["project"], "voucher": voucher["id"], "codes": list(new), **fields}
    items: list[dict[str, Any]] = task_named("vouchers.add_codes")(request=body)["items"]
    return items


def usage(**fields: Any) -> dict[str, Any]:
    """This function will return a use of the customer cus_1 under a reference of its own, or as said otherwise."""
    counted = {} if {"stamp", "amount"} & set(fields) else {"usage": 1}
    return {"project": "gigs", "customer": "cus_1", "ref": f"receipt-{next(_numbers)}", **counted, **fields}


def record(**fields: Any) -> dict[str, Any]:
    """This function will record such a use."""
    answer: dict[str, Any] = task_named("usages.record")(request=usage(**fields))
    return answer
