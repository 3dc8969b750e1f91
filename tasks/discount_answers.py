"""What callers see of discounts."""

from domain.eligibility import Refusal
from models.base import StoredRow
from tasks.answers import day, instant, percentage, price_discount
from tasks.fields import type_id
from tasks.wire import Answer


def discount_answer(row: StoredRow) -> Answer:
    """This function will return a discount, with its voucher's currency, as callers see it."""
    return {
        "object": "discount",
        "id": type_id("dis", row.id),
        "project": row.project,
        "createdAt": instant(row.created_at),
        "voucher": type_id("vou", row.voucher_id),
        "customer": row.customer,
        "subscription": row.subscription,
        "priceDiscount": price_discount(row),
        "priceDiscountPercentage": percentage(row.percentage_basis_points),
        "recurrence": {
            "type": row.recurrence,
            "durationInMonths": row.duration_in_months,
            "durationInCycles": row.duration_in_cycles,
        },
        "carryOver": row.carry_over,
        "products": row.products,
        "startsOn": day(row.starts_on),
        "firstPeriodStart": day(row.first_period_start),
        "endsOn": day(row.ends_on),
        "cycles": row.cycles,
        "status": row.status,
        "endedAt": instant(row.ended_at),
    }


def ending_conflict(name: str, *, project: str, request_id: str | None) -> Answer:
    """This function will refuse an ending whose request id was used with another body. It ends nothing."""
    return {
        "object": name,
        "project": project,
        "requestId": request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
    }
