"""Convert rows of discounts to values of the rules."""

from collections.abc import Mapping
from datetime import date

from domain.caps import caps_of
from domain.invoice import Discount
from domain.ramp import phase_of
from domain.recurrence import Progress, is_within_cycles
from domain.terms import Ramp, Recurrence, RecurrenceType
from models.discounts.row_types import DiscountRow, ProgressRow, RecurrenceRow
from models.vouchers.values import minimum_subtotal_of, price_discount_of


def granted_discount_of(
    row: DiscountRow,
    *,
    progress: Progress,
    taken_minor: Mapping[str, int],
    taken_in_total_minor: Mapping[str, int] | None,
    starts_on: date,
    cycle_start: date,
    phase_by_cycle: Mapping[date, int],
    budget_left_minor: Mapping[str, int] | None,
    elsewhere: Progress,
) -> Discount:
    """Return a discount as the rules need it for an invoice of a cycle, with the amounts that it took by currency.

    `taken_minor` is for the invoice's cycle. `taken_in_total_minor` is None unless the discount has a total, and
    `budget_left_minor` is None unless the voucher has a budget. `phase_by_cycle` has the phases of a ramp's cycles.
    `elsewhere` is the progress that an imported discount came with.
    """
    price, phase, recurrence = price_discount_of(row), None, recurrence_of(row)
    if isinstance(price, Ramp):
        phase = phase_of(
            cycle_start,
            phases=price.phases,
            recurrence=recurrence,
            progress=progress,
            phase_by_cycle=phase_by_cycle,
            elsewhere=elsewhere,
        )
        price = price.phases[phase - 1].price_discount
    return Discount(
        id=row.id,
        voucher_id=row.voucher_id,
        price_discount=price,
        phase=phase,
        recurrence=recurrence,
        products=None if row.products is None else frozenset(row.products),
        minimum_subtotal=minimum_subtotal_of(row),
        is_exclusive=row.exclusive,
        priority=row.priority,
        starts_on=starts_on,
        progress=progress,
        taken_minor=taken_minor,
        taken_in_total_minor=taken_in_total_minor,
        maximum_in_all_minor=row.maximum_discount_in_all_minor,
        excluded_products=frozenset(row.excluded_products or ()),
        caps=caps_of(maximum_minor=row.maximum_discount_minor, budget_left_minor=budget_left_minor),
        was_discounted_elsewhere=is_within_cycles(cycle_start, progress=elsewhere),
    )


def recurrence_of(row: RecurrenceRow) -> Recurrence:
    """Return the recurrence of a discount."""
    return Recurrence(
        type=RecurrenceType(row.recurrence),
        duration_in_months=row.duration_in_months,
        duration_in_cycles=row.duration_in_cycles,
    )


def extended_recurrence_of(row: RecurrenceRow, *, duration: int) -> Recurrence:
    """Return the recurrence of a repeating discount with another duration, in the months or cycles that it counts."""
    in_months = row.duration_in_months is not None
    return Recurrence(
        type=RecurrenceType(row.recurrence),
        duration_in_months=duration if in_months else None,
        duration_in_cycles=None if in_months else duration,
    )


def progress_of(row: ProgressRow) -> Progress:
    """Return the progress of a discount."""
    return Progress(
        first_start=row.first_cycle_start,
        last_start=row.last_cycle_start,
        cycles=row.cycles,
        ends_on=row.ends_on,
        last_end=row.last_cycle_end,
    )
