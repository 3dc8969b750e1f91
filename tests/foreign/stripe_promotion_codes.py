"""The documented promotion code of Stripe, and the task that imports it called as a function."""

from typing import Any

from tests.support.tasks import task_named

# The example of the API reference, word for word.
DOCUMENTED: dict[str, Any] = {
    "id": "promo_1MiM6KLkdIwHu7ixrIaX4wgn",
    "object": "promotion_code",
    "active": True,
    "code": "A1H1Q1MG",
    "promotion": {"type": "coupon", "coupon": "nVJYDOag"},
    "created": 1678040164,
    "customer": None,
    "expires_at": None,
    "livemode": False,
    "max_redemptions": None,
    "metadata": {},
    "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
    "times_redeemed": 0,
}


def promotion(**changes: Any) -> dict[str, Any]:
    """Return the documented promotion code with the changes."""
    return {**DOCUMENTED, **changes}


def restricted(**restrictions: Any) -> dict[str, Any]:
    """Return restrictions of a promotion code."""
    return {"restrictions": {**DOCUMENTED["restrictions"], **restrictions}}


def import_promotion(**changes: Any) -> dict[str, Any]:
    """Import the promotion code with the changes."""
    answer: dict[str, Any] = task_named("stripe.promotion_codes.import")(
        request={"project": "gigs", "promotion_code": promotion(**changes)}
    )
    return answer
