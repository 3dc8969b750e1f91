"""Documented coupons of Stripe, and the task that imports them called as a function."""

from typing import Any

from tests.support.tasks import task_named

# The example of the API reference, word for word.
DOCUMENTED: dict[str, Any] = {
    "id": "jMT0WJUD",
    "object": "coupon",
    "amount_off": None,
    "created": 1678037688,
    "currency": None,
    "duration": "repeating",
    "duration_in_months": 3,
    "livemode": False,
    "max_redemptions": None,
    "metadata": {},
    "name": None,
    "percent_off": 25.5,
    "redeem_by": None,
    "times_redeemed": 0,
    "valid": True,
}
FIXED = {**DOCUMENTED, "percent_off": None, "amount_off": 500, "currency": "usd"}


def import_coupon(coupon: dict[str, Any] = DOCUMENTED, **changes: Any) -> dict[str, Any]:
    """Import the coupon with the changes."""
    return import_beside({}, coupon, **changes)


def import_beside(beside: dict[str, Any], coupon: dict[str, Any] = DOCUMENTED, **changes: Any) -> dict[str, Any]:
    """Import the coupon with the changes, and with the fields beside it."""
    answer: dict[str, Any] = task_named("stripe.coupons.import")(
        request={"project": "gigs", "coupon": {**coupon, **changes}, **beside}
    )
    return answer
