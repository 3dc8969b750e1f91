"""Requests that end discounts and subscriptions, and the answers that show the effect."""

from typing import Any

from tests.support.tasks import task_named


def end(discount: str, **fields: Any) -> dict[str, Any]:
    """End a discount of the project."""
    answer: dict[str, Any] = task_named("discounts.end")(request={"project": "gigs", "discount": discount, **fields})
    return answer


def end_subscription(subscription: str = "sub_1", **fields: Any) -> dict[str, Any]:
    """End a subscription of the project."""
    answer: dict[str, Any] = task_named("subscriptions.end")(
        request={"project": "gigs", "subscription": subscription, **fields}
    )
    return answer


def listed(**fields: Any) -> list[str]:
    """Return the ids of the discounts on a page of `discounts.list`."""
    return [each["id"] for each in task_named("discounts.list")(request={"project": "gigs", **fields})["items"]]


def shown(voucher: str) -> dict[str, Any]:
    """Return the answer of `vouchers.retrieve` for a voucher."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})
    return answer
