"""Rows as values: what the rules need to know of a voucher, of a code and of a discount."""

from collections.abc import Mapping
from datetime import date

from domain.caps import caps_of
from domain.code import CodeRetiredReason, CodeTerms
from domain.eligibility import Candidate
from domain.invoice import Discount
from domain.recurrence import Progress
from domain.terms import (
    FixedDiscount,
    Money,
    PercentageDiscount,
    PriceDiscount,
    Recurrence,
    RecurrenceType,
    Restrictions,
    RetiredReason,
)
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


def code_terms_of(row: StoredRow) -> CodeTerms:
    """This function will return what the rules need to know of a code's row."""
    return CodeTerms(
        expires_at=row.expires_at,
        maximum_redemptions=row.maximum_redemptions,
        customer=row.customer,
        retired_reason=None if row.retired_reason is None else CodeRetiredReason(row.retired_reason),
    )


def granted_discount_of(
    row: StoredRow,
    *,
    progress: Progress,
    taken_minor: Mapping[str, int],
    taken_in_all_minor: Mapping[str, int] | None,
    starts_on: date,
    budget_left_minor: Mapping[str, int] | None = None,
) -> Discount:
    """This function will return what the rules need to know of a discount, with what it took in the period.

    Where it is a balance, with what it took in all too; where its voucher has a budget, with what is left of that.
    """
    return Discount(
        id=row.id,
        voucher_id=row.voucher_id,
        price_discount=price_discount_of(row),
        recurrence=recurrence_of(row),
        products=None if row.products is None else frozenset(row.products),
        starts_on=starts_on,
        progress=progress,
        taken_minor=taken_minor,
        taken_in_all_minor=taken_in_all_minor,
        caps=caps_of(maximum_minor=row.maximum_discount_minor, budget_left_minor=budget_left_minor),
    )


def recurrence_of(row: StoredRow) -> Recurrence:
    """This function will return for how long a discount's row says that it runs."""
    return Recurrence(
        type=RecurrenceType(row.recurrence),
        duration_in_months=row.duration_in_months,
        duration_in_cycles=row.duration_in_cycles,
    )


def progress_of(row: StoredRow) -> Progress:
    """This function will return how far a discount's row says that it has come."""
    return Progress(
        first_start=row.first_period_start,
        last_start=row.last_period_start,
        cycles=row.cycles,
        ends_on=row.ends_on,
        last_end=row.last_period_end,
    )
