"""Invoices with credit lines, for tests."""

from typing import Any

from tests.support.requests import apply

# Terms of vouchers, and the lines of an invoice over 100.00.
HALF = {"priceDiscountPercentage": 50}
FIXED = {"priceDiscount": {"amount": 1_000, "currency": "USD"}}
BALANCE = {"priceDiscount": {"amount": 5_000, "currency": "USD"}, "carryOver": True}
HUNDRED = [{"id": "base", "amount": 10_000}]


def credit_line(amount: int, *, of: str, line: str = "base", id: str = "unused") -> dict[str, Any]:  # noqa: A002 - the field's name
    """Return a line that gives back an amount, in minor units, of a line of an earlier invoice."""
    return {"id": id, "amount": -amount, "creditOf": {"invoice": of, "line": line}}


def credit(amount: int, *, of: str, line: str = "base", **fields: Any) -> dict[str, Any]:
    """Send an invoice that has only a credit line, and return the answer."""
    return apply(lines=[credit_line(amount, of=of, line=line)], **fields)


def totals(answer: dict[str, Any]) -> list[int]:
    """Return the discount of each line, and the total of the invoice."""
    return [*(line["discount"] for line in answer["lines"]), answer["total"]]
