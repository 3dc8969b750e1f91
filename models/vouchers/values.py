"""Convert a voucher's row to the values that the rules take."""

from domain.eligibility import Candidate
from domain.terms import FixedDiscount, Money, PercentageDiscount, PriceDiscount, Restrictions, RetiredReason
from models.base import StoredRow


def candidate_of(row: StoredRow) -> Candidate:
    """This function will return what the rules need to know of a voucher's row."""
    return Candidate(
        price_discount=price_discount_of(row),
        restrictions=Restrictions(
            starts_at=row.starts_at,
            expires_at=row.expires_at,
            maximum_redemptions=row.maximum_redemptions,
            maximum_redemptions_per_customer=row.maximum_redemptions_per_customer,
            products=None if row.products is None else frozenset(row.products),
            minimum_subtotal=_minimum_subtotal_of(row),
        ),
        retired_reason=None if row.retired_reason is None else RetiredReason(row.retired_reason),
        needs_stamp_card=row.stamps_required is not None,
    )


def price_discount_of(row: StoredRow) -> PriceDiscount:
    """This function will return the money terms of a voucher's row, or of a discount's, which copies them."""
    if row.percentage_basis_points is not None:
        return PercentageDiscount(basis_points=row.percentage_basis_points)
    return FixedDiscount(amounts_minor=row.amounts_minor)


def _minimum_subtotal_of(row: StoredRow) -> Money | None:
    if row.minimum_subtotal_minor is None:
        return None
    return Money(amount_minor=row.minimum_subtotal_minor, currency=row.minimum_subtotal_currency)
