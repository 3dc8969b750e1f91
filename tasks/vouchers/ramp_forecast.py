"""The coming costs of ramps, for a forecast: phase by phase."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

from domain.forecast import UnderTotal
from domain.ramp_forecast import RampSeries, series_of_ramp
from models.discounts.values import recurrence_of
from models.vouchers.ramp_forecast import NotStartedRampRow, StartedRampRow
from models.vouchers.values import phases_of


def series_of_started(rows: Iterable[StartedRampRow]) -> Iterator[UnderTotal]:
    """Yield the series of the phases of ramps that have started."""
    for row in rows:
        ramp = RampSeries(
            voucher_id=row.voucher_id,
            currency=row.currency,
            phases=phases_of(row.phases),
            recurrence=recurrence_of(row),
            base_minor=None if row.base is None else Fraction(row.base),
            share=Fraction(row.share),
            anchor=row.anchor,
            next_on=row.next_on,
            cycle_days=row.cycle_days,
            cycles=row.cycles,
        )
        yield from _under_total(ramp, left_minor=row.left_minor)


def series_of_not_started(rows: Iterable[NotStartedRampRow]) -> Iterator[UnderTotal]:
    """Yield the series of the phases of ramps that begin with their next cycle, by the averages of their vouchers."""
    for row in rows:
        if row.currency is None or row.share is None or row.cycle_days is None:
            continue
        ramp = RampSeries(
            voucher_id=row.voucher_id,
            currency=row.currency,
            phases=phases_of(row.phases),
            recurrence=recurrence_of(row),
            base_minor=None if row.base is None else Fraction(row.base) * row.discounts,
            share=Fraction(row.share) * row.discounts,
            anchor=row.next_on,
            next_on=row.next_on,
            cycle_days=row.cycle_days,
        )
        yield from _under_total(ramp, left_minor=row.left_minor)


def _under_total(ramp: RampSeries, *, left_minor: Decimal | None) -> Iterator[UnderTotal]:
    series = list(series_of_ramp(ramp))
    if series:
        yield UnderTotal(series=series, left_minor=None if left_minor is None else Fraction(left_minor))
