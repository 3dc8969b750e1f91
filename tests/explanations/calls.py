"""Explanations, asked for with the task called as a plain function."""

import re
from typing import Any

from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

CLOCKED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
HERE = {"customer": "cus_1", "subscription": "sub_1", "startsOn": "2027-01-01", "currency": "USD"}


def explained(**fields: Any) -> dict[str, Any]:
    """Return the explanation of a customer, a subscription or an invoice of the project."""
    answer: dict[str, Any] = task_named("support.explain")(request={"project": "gigs", **fields})
    return answer


def on_invoice(invoice: str, discount: str, *, listed: str = "discounts") -> dict[str, Any]:
    """Return what the explanation of an invoice says about a discount on it."""
    named = {each["id"]: each["onInvoice"] for each in explained(invoice=invoice)[listed]}
    found: dict[str, Any] = named[discount]
    return found


def grant(**fields: Any) -> str:
    """Redeem a new voucher on sub_1 for cus_1, from 2027 on, and return the discount."""
    discount: str = redeem(voucher=create_voucher(**fields)["id"], **HERE)["discount"]
    return discount


def said(invoice: str, discount: str, *, listed: str = "discounts") -> tuple[str, str | None, str]:
    """Return the outcome, the reason and the sentences for a discount on an invoice, with instants masked."""
    found = on_invoice(invoice, discount, listed=listed)
    return found["outcome"], found["reason"], CLOCKED.sub("<instant>", found["text"])
