"""The answers about vouchers and redemptions, and how an answer says an instant, a day, an amount and an id."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from types import SimpleNamespace
from uuid import UUID

from domain.eligibility import Refusal
from models.base import StoredRow
from models.place import places_taken
from tasks.fields import type_id
from tasks.messages import Redeem
from tasks.wire import Answer

BASIS_POINTS_PER_PERCENT = 100

# A row of the table, or the values that are about to become one.
AsStored = StoredRow | SimpleNamespace


# A batch has few different ones.
@lru_cache(maxsize=64)
def instant(value: datetime | None) -> str | None:
    """This function will return an instant in UTC, with `Z`."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day(value: date | None) -> str | None:
    """This function will return a calendar date."""
    return None if value is None else value.isoformat()


def identity(prefix: str, value: UUID | None) -> str | None:
    """This function will return an id as a TypeID."""
    return None if value is None else type_id(prefix, value)


def voucher_answer(row: AsStored) -> Answer:
    """This function will return the voucher as callers see it."""
    return {
        "object": "voucher",
        "id": type_id("vou", row.id),
        "project": row.project,
        "createdAt": instant(row.created_at),
        "name": row.name,
        "code": row.code,
        "priceDiscount": price_discount(row),
        "priceDiscountPercentage": percentage(row.percentage_basis_points),
        "recurrence": recurrence(row),
        "carryOver": row.carry_over,
        "stampCard": _stamp_card(row),
        "maximumDiscount": maximum_discount(row),
        "budget": _amounts(row.budget_minor, currency=row.budget_currency),
        "restrictions": {
            "startsAt": instant(row.starts_at),
            "expiresAt": instant(row.expires_at),
            "maximumRedemptions": row.maximum_redemptions,
            "maximumRedemptionsPerCustomer": row.maximum_redemptions_per_customer,
            "products": row.products,
            "minimumSubtotal": _minimum_subtotal(row),
        },
        "redemptions": places_taken(row),
        "status": "available" if row.retired_reason is None else "retired",
        "retiredReason": row.retired_reason,
        "retiredAt": instant(row.retired_at),
        "metadata": row.metadata,
    }


def recurrence(row: AsStored) -> Answer:
    """This function will return for how long a voucher, or its discount, runs."""
    return {
        "type": row.recurrence,
        "durationInMonths": row.duration_in_months,
        "durationInCycles": row.duration_in_cycles,
    }


def price_discount(row: AsStored) -> Answer | None:
    """This function will return the amounts of a fixed voucher, or of its discount, or None for a percentage."""
    return _amounts(row.amounts_minor, currency=row.currency)


def maximum_discount(row: AsStored) -> Answer | None:
    """This function will return the most that a voucher, or its discount, gives on one invoice, or None."""
    return _amounts(row.maximum_discount_minor, currency=row.maximum_discount_currency)


def _amounts(amounts_minor: Mapping[str, int] | None, *, currency: str | None) -> Answer | None:
    if amounts_minor is None or currency is None:
        return None
    options = {other: amount for other, amount in amounts_minor.items() if other != currency}
    return {"amount": amounts_minor[currency], "currency": currency, "currencyOptions": options}


def percentage(basis_points: int | None) -> int | float | None:
    """This function will return basis points as a percentage with at most two decimals."""
    if basis_points is None:
        return None
    whole, hundredths = divmod(basis_points, BASIS_POINTS_PER_PERCENT)
    return basis_points / BASIS_POINTS_PER_PERCENT if hundredths else whole


def _stamp_card(row: AsStored) -> Answer | None:
    if row.stamps_required is None:
        return None
    return {"stamps": row.stamps_required, "expireDays": row.stamp_expire_days}


def _minimum_subtotal(row: AsStored) -> Answer | None:
    if row.minimum_subtotal_minor is None:
        return None
    return {"amount": row.minimum_subtotal_minor, "currency": row.minimum_subtotal_currency}


def redemption_answer(row: AsStored) -> Answer:
    """This function will return a decided request as callers see it, from its row or from what will be stored.

    The discount of an accepted one has the same identity, under its own prefix.
    """
    return {
        "object": "redemption",
        "id": identity("red", row.id),
        "project": row.project,
        "requestId": row.request_id,
        "outcome": "accepted" if row.reason is None else "refused",
        "reason": row.reason,
        # Of this reason alone: what was answered before there were holds is replayed as it was.
        **({"retryable": True} if row.reason == Refusal.FULLY_RESERVED else {}),
        "voucher": identity("vou", row.voucher_id),
        "code": row.code,
        "customer": row.customer,
        "subscription": row.subscription,
        "discount": identity("dis", row.id if row.reason is None else None),
        "redemptionNumber": row.redemption_number,
        "decidedAt": instant(row.decided_at),
    }


def conflict_answer(name: str, *, project: str, request_id: str | None) -> Answer:
    """This function will refuse a request whose id, or whose task's, was used with another body. It changes nothing."""
    return {
        "object": name,
        "project": project,
        "requestId": request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
    }


def redemption_conflict_answer(request: Redeem, *, at: datetime) -> Answer:
    """This function will refuse a request whose id was used with another body."""
    return {
        "object": "redemption",
        "id": None,
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
        "voucher": None,
        "code": None,
        "customer": request.customer,
        "subscription": request.subscription,
        "discount": None,
        "redemptionNumber": None,
        "decidedAt": instant(at),
    }
