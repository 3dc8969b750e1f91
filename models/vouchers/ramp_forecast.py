"""Averages of the ledger for a forecast of ramps: what a cycle has for the percentages of their phases."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.vouchers.forecast import CYCLES_HERE, ELSEWHERE, GRANTED, IS_UNREVERSED, RUNNING, TAKEN_MINOR, parameters_of

# The sums of a ramp's own entries by currency, without credits. `base` is the sum of what its percentages were taken
# of. A cycle in two currencies counts in both.
_OF_CURRENCIES = f"""
    SELECT currency, sum(taken_minor / fraction) AS base,
           count(DISTINCT cycle_start) FILTER (WHERE fraction IS NOT NULL) AS percentage_cycles,
           count(DISTINCT cycle_start) AS own_cycles, sum(cycle_end - cycle_start) AS days, count(*) AS entries,
           row_number() OVER (ORDER BY currency) = 1 AS is_first
    FROM (
        SELECT currency, cycle_start, cycle_end,
               CASE WHEN ramp.entries_credited > 0 THEN {TAKEN_MINOR} ELSE amount_minor END AS taken_minor,
               (ramp.phases -> (phase - 1) ->> 'percentage_millionths')::numeric / 1000000 AS fraction
        FROM usage_entries
        WHERE usage_entries.project = ramp.project AND discount_id = ramp.id AND {IS_UNREVERSED}
        OFFSET 0
    ) AS entry
    GROUP BY currency
"""  # noqa: S608 - put together from the constants
_TERMS = "voucher_id, phases, recurrence, duration_in_months, duration_in_cycles"
_STARTED = text(f"""
    SELECT {_TERMS}, currency, anchor, next_on, cycle_days, cycles, sum(base) AS base, sum(share) AS share
    FROM (
        SELECT {_TERMS}, currency, first_cycle_start AS anchor, last_cycle_end AS next_on, ramp.cycles,
               round(sum(days) OVER of_one / sum(entries) OVER of_one)::integer AS cycle_days,
               base / nullif(percentage_cycles, 0) * own_cycles / {CYCLES_HERE} AS base,
               own_cycles / {CYCLES_HERE}::numeric AS share
        FROM ({RUNNING} AND cycles > 0 AND phases IS NOT NULL) AS ramp
        CROSS JOIN LATERAL ({_OF_CURRENCIES}) AS taken
        WINDOW of_one AS (PARTITION BY ramp.project, ramp.id)
    ) AS each
    GROUP BY {_TERMS}, currency, anchor, next_on, cycle_days, cycles
    ORDER BY voucher_id, currency, anchor, next_on, cycles
""")  # noqa: S608 - put together from the constants
# The averages of all discounts of a voucher that have started, including ended discounts.
_HISTORY = f"""
    SELECT currency, sum(base) / nullif(sum(percentage_cycles), 0) * sum(own_cycles) / {{all_cycles}} AS base,
           sum(own_cycles) / {{all_cycles}} AS share,
           round(sum(sum(days)) OVER () / sum(sum(entries)) OVER ())::integer AS cycle_days
    FROM ({GRANTED}) AS granted
    CROSS JOIN LATERAL (
        SELECT *, {CYCLES_HERE} AS cycles_here FROM discounts {ELSEWHERE}
        WHERE discounts.project = :project AND discounts.id = granted.id
        OFFSET 0
    ) AS ramp
    CROSS JOIN LATERAL ({_OF_CURRENCIES}) AS taken
    GROUP BY currency
""".format(all_cycles="sum(sum(ramp.cycles_here) FILTER (WHERE is_first)) OVER ()")  # noqa: S608 - put together from the constants
_NOT_STARTED = text(f"""
    SELECT {_TERMS}, next_on, discounts, currency, base, share, cycle_days
    FROM (
        SELECT {_TERMS}, greatest(starts_on, :since) AS next_on, count(*) AS discounts
        FROM ({RUNNING} AND cycles = 0 AND phases IS NOT NULL) AS running
        GROUP BY 1, 2, 3, 4, 5, 6
    ) AS not_started
    LEFT JOIN LATERAL ({_HISTORY}) AS history ON true
    ORDER BY voucher_id, currency, next_on
""")  # noqa: S608 - put together from the constants


class StartedRampRow(Protocol):
    """Running ramps of a voucher that have started, with what a cycle has for their percentages, in minor units.

    `base` is None if no percentage was taken of anything, and `share` is the part of the cycles in the currency: both
    of all these ramps together.
    """

    voucher_id: UUID
    phases: list[dict[str, Any]]
    recurrence: str
    duration_in_months: int | None
    duration_in_cycles: int | None
    currency: str
    anchor: date
    next_on: date
    cycle_days: int
    cycles: int
    base: Decimal | None
    share: Decimal


class NotStartedRampRow(Protocol):
    """Running ramps of a voucher that have not started, with the averages of a ramp of their voucher."""

    voucher_id: UUID
    phases: list[dict[str, Any]]
    recurrence: str
    duration_in_months: int | None
    duration_in_cycles: int | None
    next_on: date
    discounts: int
    currency: str | None
    base: Decimal | None
    share: Decimal | None
    cycle_days: int | None


def find_started_ramps(
    session: Session, *, project: str, voucher_id: UUID | None, since: date
) -> Sequence[StartedRampRow]:
    """Return the running ramps that have started, with their averages."""
    return session.execute(_STARTED, parameters_of(project, voucher_id, since)).all()


def find_not_started_ramps(
    session: Session, *, project: str, voucher_id: UUID | None, since: date
) -> Sequence[NotStartedRampRow]:
    """Return the running ramps that have not started. One whose voucher has no entry in the ledger has no currency."""
    return session.execute(_NOT_STARTED, parameters_of(project, voucher_id, since)).all()
