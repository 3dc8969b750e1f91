"""The answer about a discount."""

from models.discounts.row_types import ListedDiscountRow
from tasks.vouchers.answers import maximum_discount, price_discount, recurrence
from tasks.wire.answers import Answer, day, instant, percentage
from tasks.wire.fields import type_id


def discount_answer(row: ListedDiscountRow) -> Answer:
    """Return a discount as callers see it."""
    return {
        "object": "discount",
        "id": type_id("dis", row.id),
        "project": row.project,
        "createdAt": instant(row.created_at),
        "updatedAt": instant(row.updated_at),
        "voucher": type_id("vou", row.voucher_id),
        "customer": row.customer,
        "subscription": row.subscription,
        "priceDiscount": price_discount(row),
        "priceDiscountPercentage": percentage(row.percentage_basis_points),
        "recurrence": recurrence(row),
        "carryOver": row.carry_over,
        "maximumDiscount": maximum_discount(row),
        "products": row.products,
        "startsOn": day(row.starts_on),
        "firstPeriodStart": day(row.first_period_start),
        "fullPriceFrom": day(row.ends_on),
        "cycles": row.cycles,
        "status": row.status,
        "completedAt": instant(row.completed_at),
        "endedAt": instant(row.ended_at),
    }
