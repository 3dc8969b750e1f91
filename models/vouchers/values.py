"""Convert rows of vouchers to values of the rules."""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.eligibility import Candidate
from domain.terms import (
    FixedDiscount,
    Money,
    PercentageDiscount,
    Phase,
    PriceDiscount,
    Ramp,
    Restrictions,
    RetiredReason,
)
from models.vouchers.row_types import DecisiveVoucherRow, MinimumSubtotalRow, PriceDiscountRow


def candidate_of(row: DecisiveVoucherRow) -> Candidate:
    """Return the voucher as a candidate for a redemption."""
    return Candidate(
        price_discount=price_discount_of(row),
        restrictions=Restrictions(
            starts_at=row.starts_at,
            expires_at=row.expires_at,
            maximum_redemptions=row.maximum_redemptions,
            maximum_redemptions_per_customer=row.maximum_redemptions_per_customer,
            products=None if row.products is None else frozenset(row.products),
            minimum_subtotal=None if row.minimum_subtotal_on_invoice else minimum_subtotal_of(row),
            excluded_products=frozenset(row.excluded_products or ()),
            first_purchase_only=row.first_purchase_only,
        ),
        retired_reason=None if row.retired_reason is None else RetiredReason(row.retired_reason),
        is_exclusive=row.exclusive,
        needs_stamp_card=row.stamps_required is not None,
    )


def price_discount_of(row: PriceDiscountRow) -> PriceDiscount | Ramp:
    """Return the amount, the percentage or the phases of a voucher or of a discount."""
    if row.phases is not None:
        return Ramp(phases=phases_of(row.phases))
    # A constraint guarantees that exactly one of the columns is set.
    return _price_of(row.percentage_millionths, row.amounts_minor)


def phases_of(stored: Iterable[Mapping[str, Any]]) -> tuple[Phase, ...]:
    """Return the phases of a ramp from a row."""
    return tuple(
        Phase(
            price_discount=_price_of(each.get("percentage_millionths"), each.get("amounts_minor")),
            duration=each["duration"],
        )
        for each in stored
    )


def _price_of(millionths: int | None, amounts_minor: Mapping[str, int] | None) -> PriceDiscount:
    return (
        FixedDiscount(amounts_minor=amounts_minor or {})
        if millionths is None
        else PercentageDiscount(millionths=millionths)
    )


def minimum_subtotal_of(row: MinimumSubtotalRow) -> Money | None:
    """Return the minimum subtotal of a voucher or of a discount, or None."""
    if row.minimum_subtotal_minor is None or row.minimum_subtotal_currency is None:
        return None
    return Money(amount_minor=row.minimum_subtotal_minor, currency=row.minimum_subtotal_currency)
