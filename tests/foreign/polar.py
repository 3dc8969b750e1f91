"""Documented bodies of Polar, and tasks called as functions."""

from typing import Any

from tests.support.tasks import task_named

ORGANIZATION = "1dbfc517-0bbf-4301-9ba8-555ca42b9737"
# The documented request bodies, word for word.
ENDPOINT: dict[str, Any] = {
    "name": "Discount",
    "type": "percentage",
    "code": "DISCOUNT",
    "duration": "once",
    "basis_points": 1000,
    "organization_id": ORGANIZATION,
}
ENDPOINT_FIXED: dict[str, Any] = {
    "name": "Discount",
    "type": "fixed",
    "code": "DISCOUNT",
    "duration": "once",
    "amount": 1000,
    "currency": "usd",
    "organization_id": ORGANIZATION,
}
# This body names no organization, because Polar takes that from the access token.
PROMO: dict[str, Any] = {
    "name": "New Customer Promo",
    "code": "WELCOME25",
    "type": "percentage",
    "basis_points": 2500,
    "duration": "repeating",
    "duration_in_months": 3,
}
# The documented answer, word for word, and the limit for each customer, which the schema of 2026-04 has too. In
# `products`, our answer has the ids that were sent.
DOCUMENTED: dict[str, Any] = {
    "duration": "once",
    "type": "fixed",
    "amount": 123,
    "currency": "<string>",
    "amounts": {},
    "created_at": "2023-11-07T05:31:56Z",
    "modified_at": "2023-11-07T05:31:56Z",
    "id": "<string>",
    "metadata": {},
    "name": "<string>",
    "code": "<string>",
    "starts_at": "2023-11-07T05:31:56Z",
    "ends_at": "2023-11-07T05:31:56Z",
    "max_redemptions": 123,
    "max_redemptions_per_customer": 123,
    "redemptions_count": 123,
    "organization_id": "1dbfc517-0bbf-4301-9ba8-555ca42b9737",
    "products": [
        {
            "metadata": {},
            "created_at": "2023-11-07T05:31:56Z",
            "modified_at": "2023-11-07T05:31:56Z",
            "id": "<string>",
            "name": "<string>",
            "description": "<string>",
            "recurring_interval": "month",
            "is_recurring": True,
            "is_archived": True,
            "organization_id": "1dbfc517-0bbf-4301-9ba8-555ca42b9737",
        }
    ],
}


def create(body: dict[str, Any] = ENDPOINT, **changes: Any) -> dict[str, Any]:
    """Create the discount with the changes."""
    answer: dict[str, Any] = task_named("polar.discounts.create")(request={**body, **changes})
    return answer


def reference(discount: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that name a discount."""
    return {"organization_id": discount["organization_id"], "id": discount["id"]}


def ours(discount: dict[str, Any]) -> dict[str, Any]:
    """Return the discount as our voucher."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(
        request={"project": discount["organization_id"], "voucher": discount["id"]}
    )
    return answer
