"""Explanations, asked for with the task called as a plain function."""

from typing import Any

from tests.support.tasks import task_named


def explained(**fields: Any) -> dict[str, Any]:
    """Return the explanation of a customer, a subscription or an invoice of the project."""
    answer: dict[str, Any] = task_named("support.explain")(request={"project": "gigs", **fields})
    return answer


def on_invoice(invoice: str, discount: str, *, listed: str = "discounts") -> dict[str, Any]:
    """Return what the explanation of an invoice says about a discount on it."""
    named = {each["id"]: each["onInvoice"] for each in explained(invoice=invoice)[listed]}
    found: dict[str, Any] = named[discount]
    return found
