"""Calls of the tasks on vouchers, and vouchers in every state."""

from typing import Any

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

EVERYTHING: dict[str, Any] = {
    "project": "gigs",
    "name": "Monthly Basic",
    "code": "SUMMER",
    "priceDiscount": {"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899, "JPY": 1500}},
    "recurrence": {"type": "repeating", "durationInMonths": 3},
    "restrictions": {
        "startsAt": "2026-01-01T00:00:00+02:00",
        "expiresAt": "2099-04-14T19:38:34Z",
        "maximumRedemptions": 100,
        "maximumRedemptionsPerCustomer": 1,
        "products": ["prod_a", "prod_b"],
        "excludedProducts": ["prod_x", "prod_y"],
        "firstPurchaseOnly": True,
        "minimumSubtotal": {"amount": 5000, "currency": "USD", "on": "redemption"},
    },
    "metadata": {"campaign": "spring", "score": 1.5, "huge": 1e300, "rank": 2**63 - 1, "internal": True},
}
PAST, FUTURE, LATER = "2026-01-01T00:00:00Z", "2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
FIXED = {"amount": 500, "currency": "USD", "currencyOptions": {}}
MONTHS = {"type": "repeating", "durationInMonths": 3}


def update(voucher: str, **fields: Any) -> dict[str, Any]:
    """Update those fields of a voucher."""
    answer: dict[str, Any] = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher, **fields})
    return answer


def retrieve(voucher: str) -> dict[str, Any]:
    """Retrieve a voucher."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})
    return answer


def unstamped(voucher: dict[str, Any]) -> dict[str, Any]:
    """Return a voucher without the instant of the last update, which every update moves."""
    return {name: value for name, value in voucher.items() if name != "updatedAt"}


def errors(voucher: str, **fields: Any) -> list[str]:
    """Return the bad fields of an invalid update, and assert that the update changed nothing."""
    before = retrieve(voucher)
    with pytest.raises(InvalidRequest) as refused:
        update(voucher, **fields)
    assert retrieve(voucher) == before
    with transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM write_answers")) == 0
    return [each["field"] for each in refused.value.errors]


def full(**fields: Any) -> str:
    """Create a voucher, fill it by a redemption, and return the id."""
    voucher = create_voucher(**fields, restrictions={"maximumRedemptions": 1})
    redeem(voucher=voucher["id"])
    return str(voucher["id"])


def expired(**fields: Any) -> str:
    """Create an expired voucher, retire it by a sweep, and return the id."""
    voucher = create_voucher(**fields, restrictions={"expiresAt": PAST})
    task_named("expiry.sweep")(request={})
    return str(voucher["id"])


def by_hand(**fields: Any) -> str:
    """Create a voucher, retire it by hand, and return the id."""
    voucher = create_voucher(**fields)
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    return str(voucher["id"])


def code_of(voucher: str) -> str | None:
    """Return the code that the voucher shows."""
    code: str | None = retrieve(voucher)["code"]
    return code
