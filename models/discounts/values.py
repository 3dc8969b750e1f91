"""Convert a discount's row to the values that the rules take."""

from collections.abc import Mapping
from datetime import date

from domain.caps import caps_of
from domain.invoice import Discount
from domain.recurrence import Progress
from domain.terms import Recurrence, RecurrenceType
from models.base import StoredRow
from models.vouchers.values import price_discount_of


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
