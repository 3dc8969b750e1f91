"""Notices about an invoice: nothing is wrong with the answer, but the request may not be what its sender meant."""

from collections.abc import Iterable
from enum import StrEnum

from domain.recurrence import Period


class Notice(StrEnum):
    """What a sender should look at."""

    PERIOD_INSIDE_CYCLE = "period_inside_cycle"


def notices_of(period: Period, *, discounted_cycles: Iterable[Period]) -> list[Notice]:
    """Return the notices about an invoice that names no cycle, so that its period counts as a cycle of its own.

    If the period begins inside a cycle that was discounted already, the invoice probably belongs to that cycle.
    """
    is_inside = any(each.start < period.start < each.end for each in discounted_cycles)
    return [Notice.PERIOD_INSIDE_CYCLE] if is_inside else []
