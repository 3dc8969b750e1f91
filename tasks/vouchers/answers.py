"""The answer about a voucher, and the parts that the answer about a discount has too."""

from models.vouchers.counters import places_taken
from models.vouchers.row_types import DiscountTermsRow, ShownVoucherRow
from tasks.vouchers.prices import shown_amounts, shown_phases
from tasks.wire.answers import Answer, instant, percentage
from tasks.wire.fields import type_id


def voucher_answer(row: ShownVoucherRow) -> Answer:
    """Return a voucher as callers see it, but without its amounts."""
    return {
        "object": "voucher",
        "id": type_id("vou", row.id),
        "project": row.project,
        "createdAt": instant(row.created_at),
        "updatedAt": instant(row.updated_at),
        "name": row.name,
        "code": row.code,
        "campaign": row.campaign,
        "priceDiscount": price_discount(row),
        "priceDiscountPercentage": percentage(row.percentage_millionths),
        "recurrence": recurrence(row),
        "carryOver": row.carry_over,
        "exclusive": row.exclusive,
        "priority": row.priority,
        "stampCard": _stamp_card(row),
        "maximumDiscount": maximum_discount(row),
        "maximumDiscountInAll": maximum_discount_in_all(row),
        "budget": shown_amounts(row.budget_minor, currency=row.budget_currency),
        "restrictions": {
            "startsAt": instant(row.starts_at),
            "expiresAt": instant(row.expires_at),
            "maximumRedemptions": row.maximum_redemptions,
            "maximumRedemptionsPerCustomer": row.maximum_redemptions_per_customer,
            "products": row.products,
            "excludedProducts": row.excluded_products,
            "firstPurchaseOnly": row.first_purchase_only,
            "minimumSubtotal": _minimum_subtotal(row),
        },
        "redemptions": places_taken(row),
        "status": "available" if row.retired_reason is None else "retired",
        "retiredReason": row.retired_reason,
        "retiredAt": instant(row.retired_at),
        "metadata": row.metadata,
    }


def recurrence(row: DiscountTermsRow) -> Answer:
    """Return the recurrence of a voucher or of a discount."""
    # The phases of a ramp have the durations.
    is_ramp = row.phases is not None
    return {
        "type": row.recurrence,
        "durationInMonths": None if is_ramp else row.duration_in_months,
        "durationInCycles": None if is_ramp else row.duration_in_cycles,
        "phases": shown_phases(row),
    }


def price_discount(row: DiscountTermsRow) -> Answer | None:
    """Return the fixed amounts of a voucher or of a discount, or None if there are none."""
    return shown_amounts(row.amounts_minor, currency=row.currency)


def maximum_discount(row: DiscountTermsRow) -> Answer | None:
    """Return the maximum of a voucher or of a discount on one invoice, or None if there is no maximum."""
    return shown_amounts(row.maximum_discount_minor, currency=row.maximum_discount_currency)


def maximum_discount_in_all(row: DiscountTermsRow) -> Answer | None:
    """Return the maximum in all of a voucher or of a discount, or None if there is no such maximum."""
    return shown_amounts(row.maximum_discount_in_all_minor, currency=row.maximum_discount_in_all_currency)


def _stamp_card(row: ShownVoucherRow) -> Answer | None:
    if row.stamps_required is None:
        return None
    return {"stamps": row.stamps_required, "expireDays": row.stamp_expire_days}


def _minimum_subtotal(row: ShownVoucherRow) -> Answer | None:
    if row.minimum_subtotal_minor is None:
        return None
    return {
        "amount": row.minimum_subtotal_minor,
        "currency": row.minimum_subtotal_currency,
        "on": "invoice" if row.minimum_subtotal_on_invoice else "redemption",
    }
