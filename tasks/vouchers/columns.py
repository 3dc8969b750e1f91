"""The columns of a voucher that a request to create it decides."""

from datetime import datetime
from typing import Any
from uuid import UUID

from tasks.vouchers.messages import CreateVoucher
from tasks.vouchers.prices import stored_amounts, stored_phases


def values_of(
    request: CreateVoucher,
    *,
    id: UUID,  # noqa: A002 - the column's name
    created_at: datetime,
) -> dict[str, Any]:
    """Return the columns of a voucher that the request decides, with its id and the instant of its creation."""
    card, maximum, budget = request.stamp_card, request.maximum_discount, request.budget
    in_all = request.maximum_discount_in_all
    restrictions, price, minimum = request.restrictions, request.price_discount, request.restrictions.minimum_subtotal
    return {
        "project": request.project,
        "id": id,
        "created_at": created_at,
        "name": request.name,
        "code": request.code,
        "campaign": request.campaign,
        "percentage_millionths": request.price_discount_percentage,
        "amounts_minor": stored_amounts(price),
        "currency": None if price is None else price.currency,
        "recurrence": request.recurrence.type,
        "duration_in_months": request.recurrence.whole_in_months(),
        "duration_in_cycles": request.recurrence.whole_in_cycles(),
        "phases": stored_phases(request.recurrence.phases),
        "carry_over": request.carry_over,
        "exclusive": request.exclusive,
        "priority": request.priority,
        "stamps_required": None if card is None else card.stamps,
        "stamp_expire_days": None if card is None else card.expire_days,
        "starts_at": restrictions.starts_at,
        "expires_at": restrictions.expires_at,
        "maximum_redemptions": restrictions.maximum_redemptions,
        "maximum_redemptions_per_customer": restrictions.maximum_redemptions_per_customer,
        "products": restrictions.products,
        "excluded_products": restrictions.excluded_products,
        "first_purchase_only": restrictions.first_purchase_only,
        "minimum_subtotal_minor": None if minimum is None else minimum.amount,
        "minimum_subtotal_currency": None if minimum is None else minimum.currency,
        "minimum_subtotal_on_invoice": minimum is not None and minimum.on == "invoice",
        "metadata": request.metadata,
        "maximum_discount_minor": stored_amounts(maximum),
        "maximum_discount_currency": None if maximum is None else maximum.currency,
        "maximum_discount_in_all_minor": stored_amounts(in_all),
        "maximum_discount_in_all_currency": None if in_all is None else in_all.currency,
        "budget_minor": stored_amounts(budget),
        "budget_currency": None if budget is None else budget.currency,
    }
