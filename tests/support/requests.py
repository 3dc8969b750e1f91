"""Requests of callers, and the tasks called as plain functions. Fields override the defaults."""

from itertools import count
from typing import Any

from tests.support.tasks import task_named

_numbers = count(1)


def voucher_body(**fields: Any) -> dict[str, Any]:
    """Return a voucher of 10 % for ever."""
    if "priceDiscount" not in fields and "phases" not in fields.get("recurrence", {}):
        fields = {"priceDiscountPercentage": 10, **fields}
    return {"project": "gigs", "name": "Ten percent", "recurrence": {"type": "forever"}, **fields}


def create_voucher(**fields: Any) -> dict[str, Any]:
    """Create a voucher of 10 % for ever and return the answer."""
    answer: dict[str, Any] = task_named("vouchers.create")(request=voucher_body(**fields))
    return answer


def redemption(**fields: Any) -> dict[str, Any]:
    """Return a redemption request of a new customer and subscription."""
    number = next(_numbers)
    return {
        "project": "gigs",
        "requestId": f"order-{number}",
        "customer": f"cus_{number}",
        "subscription": f"sub_{number}",
        **fields,
    }


def redeem(**fields: Any) -> dict[str, Any]:
    """Redeem for a new customer and subscription and return the answer."""
    answer: dict[str, Any] = task_named("redemptions.redeem")(request=redemption(**fields))
    return answer


def invoice(**fields: Any) -> dict[str, Any]:
    """Return an invoice over 80.00 USD for February 2027."""
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
    """Discount an invoice over 80.00 USD for February 2027 and return the answer."""
    answer: dict[str, Any] = task_named("billing.apply")(request=invoice(**fields))
    return answer


def add_codes(voucher: dict[str, Any], *new: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """Add codes to a voucher and return them."""
    body = {"project": voucher["project"], "voucher": voucher["id"], "codes": list(new), **fields}
    items: list[dict[str, Any]] = task_named("vouchers.add_codes")(request=body)["items"]
    return items


def usage(**fields: Any) -> dict[str, Any]:
    """Return a usage of the customer cus_1 with a new reference."""
    counted = {} if {"stamp", "amount"} & set(fields) else {"usage": 1}
    return {"project": "gigs", "customer": "cus_1", "ref": f"receipt-{next(_numbers)}", **counted, **fields}


def record(**fields: Any) -> dict[str, Any]:
    """Record a usage of the customer cus_1 and return the answer."""
    answer: dict[str, Any] = task_named("usages.record")(request=usage(**fields))
    return answer
