"""Requests that move and extend discounts, and the rows and answers that show the effect."""

from typing import Any

from tests.support.tasks import task_named

ACTOR = "anna@support"


def move(discount: str, subscription: str = "sub_2", **fields: Any) -> dict[str, Any]:
    """Move a discount of the project to a subscription."""
    body = {"project": "gigs", "discount": discount, "subscription": subscription, "actor": ACTOR, **fields}
    answer: dict[str, Any] = task_named("discounts.move")(request=body)
    return answer


def extend(discount: str, **fields: Any) -> dict[str, Any]:
    """Extend a discount of the project."""
    body = {"project": "gigs", "discount": discount, "actor": ACTOR, **fields}
    answer: dict[str, Any] = task_named("discounts.extend")(request=body)
    return answer


def kinds(discount: dict[str, Any]) -> list[str]:
    """Return the kinds of the changes in the history of an answer, newest first."""
    return [each["kind"] for each in discount["history"]]


def shown(discount: str, **fields: Any) -> dict[str, Any]:
    """Return the discount as `discounts.list` shows it."""
    wanted = {"project": "gigs", "limit": 200, **(fields or {"customer": "cus_1"})}
    items = task_named("discounts.list")(request=wanted)["items"]
    return next(each for each in items if each["id"] == discount)
