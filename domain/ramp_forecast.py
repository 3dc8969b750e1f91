"""Forecast ramps: each coming phase is a series of its own, with the cost of its price."""

from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from itertools import accumulate
from uuid import UUID

from domain.forecast import Series
from domain.money import MILLIONTHS_WHOLE
from domain.ramp import effective_durations
from domain.recurrence import add_months
from domain.terms import FixedDiscount, PercentageDiscount, Phase, PriceDiscount, Recurrence
from domain.value_class import value


@value
class RampSeries:
    """Discounts of the same ramp in the same currency that have had the same number of cycles."""

    voucher_id: UUID
    currency: str
    phases: Sequence[Phase]
    recurrence: Recurrence
    # What a cycle has for a percentage to be taken of, of all these discounts together. None if nothing tells it.
    base_minor: Fraction | None
    # The part of the cycles that is in the currency, 1 if all are, of all these discounts together.
    share: Fraction
    # The first period began, or begins, on the anchor, and the latest one ended on `next_on`.
    anchor: date
    next_on: date
    cycle_days: int
    # The cycles so far.
    cycles: int = 0


def series_of_ramp(ramp: RampSeries) -> Iterator[Series]:
    """Yield a series for each phase that is not over.

    A percentage is of the average base so far, and costs nothing if that is not known. A fixed amount is taken whole.
    """
    recurrence = ramp.recurrence
    whole = recurrence.duration_in_months or recurrence.duration_in_cycles or 0
    durations = effective_durations([each.duration for each in ramp.phases], whole=whole)
    for phase, duration, until in zip(ramp.phases, durations, accumulate(durations), strict=True):
        per_cycle_minor = _cost(phase.price_discount, ramp=ramp)
        if per_cycle_minor is not None:
            yield from _series(ramp, before=until - duration, until=until, per_cycle_minor=per_cycle_minor)


def _cost(price: PriceDiscount, *, ramp: RampSeries) -> Fraction | None:
    match price:
        case PercentageDiscount(millionths=millionths):
            return None if ramp.base_minor is None else ramp.base_minor * millionths / MILLIONTHS_WHOLE
        case FixedDiscount(amounts_minor=amounts_minor):
            amount_minor = amounts_minor.get(ramp.currency)
            return None if amount_minor is None else amount_minor * ramp.share


def _series(ramp: RampSeries, *, before: int, until: int, per_cycle_minor: Fraction) -> Iterator[Series]:
    """Yield the series of a phase from `before` to `until` months or cycles after the beginning, unless it is over."""
    next_on, ends_on, cycles_before, cycles_left = ramp.next_on, None, 0, None
    if ramp.recurrence.duration_in_months is not None:
        next_on = max(next_on, add_months(ramp.anchor, months=before))
        ends_on = add_months(ramp.anchor, months=until)
    else:
        cycles_before, cycles_left = max(0, before - ramp.cycles), until - max(before, ramp.cycles)
    if (ends_on is None or next_on < ends_on) and (cycles_left is None or cycles_left > 0):
        yield Series(
            voucher_id=ramp.voucher_id,
            currency=ramp.currency,
            per_cycle_minor=per_cycle_minor,
            anchor=ramp.anchor,
            next_on=next_on,
            cycle_days=ramp.cycle_days,
            ends_on=ends_on,
            cycles_before=cycles_before,
            cycles_left=cycles_left,
        )
