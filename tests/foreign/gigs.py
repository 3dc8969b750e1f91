"""Documented bodies of Gigs, and their project beside them."""

from typing import Any

# The request in the guide, and the answers on the two pages of the reference, word for word.
DOCUMENTED: dict[str, Any] = {
    "name": "Monthly Basic",
    "priceDiscountPercentage": 10,
    "recurrence": {"type": "repeating", "durationInMonths": 3},
}
CURRENT_PAGE: dict[str, Any] = {
    "object": "voucher",
    "id": "vou_0SNlurA049MEWV0h2jfjkdiOdplN",
    "createdAt": "2021-02-14T19:38:34.0Z",
    "name": "Black Friday",
    "priceDiscount": {"amount": 999, "currency": "USD"},
    "priceDiscountPercentage": 30.12,
    "recurrence": {"type": "once", "durationInMonths": 1},
    "redemptions": 2,
    "retiredReason": None,
    "status": "available",
}
OLDER_PAGE: dict[str, Any] = {
    "object": "voucher",
    "id": "vou_0SNlurA049MEWV0h2jfjkdiOdplN",
    "name": "Monthly Basic 15%",
    "priceDiscount": {"amount": 999, "currency": "USD"},
    "priceDiscountPercentage": 30.12,
    "recurrence": {"type": "once"},
    "redemptions": 2,
    "restrictions": {"expiresAt": "2021-04-14T19:38:34Z"},
    "retiredReason": None,
    "status": "available",
    "createdAt": "2021-02-14T19:38:34Z",
}
FIXED = {
    "project": "gigs",
    "name": "Black Friday",
    "priceDiscount": {"amount": 999, "currency": "USD"},
    "recurrence": {"type": "once"},
}
PERCENTAGE = {"project": "gigs", **DOCUMENTED}


def reference(voucher: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that name a voucher."""
    return {"project": "gigs", "voucher": voucher["id"]}
