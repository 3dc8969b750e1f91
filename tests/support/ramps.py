"""The terms of vouchers in phases."""

from typing import Any


def phase(
    percentage: float | None = None, *, amount: dict[str, Any] | int | None = None, **duration: int
) -> dict[str, Any]:
    """Return a phase of a percentage or of an amount, in USD if it is a number; `months` or `cycles` long."""
    ((unit, length),) = duration.items()
    price: dict[str, Any] = {"priceDiscountPercentage": percentage}
    if amount is not None:
        price = {"priceDiscount": {"amount": amount, "currency": "USD"} if isinstance(amount, int) else amount}
    return {**price, f"durationIn{unit.capitalize()}": length}


def ramp(*phases: dict[str, Any]) -> dict[str, Any]:
    """Return the terms of a voucher in these phases."""
    return {"recurrence": {"type": "repeating", "phases": list(phases)}}
