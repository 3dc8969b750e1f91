"""Averages of the ledger for a forecast of ramps: what a cycle has for the percentages of their phases."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.vouchers.forecast import (
    CYCLES_HERE,
    CYCLES_KNOWN,
    ELSEWHERE,
    GRANTED,
    IS_UNREVERSED,
    KEPT_MINOR,
    RUNNING,
    TAKEN_MINOR,
    parameters_of,
)

# What a cycle had for a percentage to be taken of. After an amount, only the invoice tells it, if all its lines count.
_BASE = f"""
    CASE WHEN fraction IS NOT NULL
         THEN (CASE WHEN ramp.entries_credited > 0 THEN {TAKEN_MINOR} ELSE amount_minor END) / fraction
         WHEN num_nonnulls(ramp.products, ramp.excluded_products) = 0
              AND jsonb_path_exists(ramp.phases, '$[*].percentage_millionths ? (@ != null)')
         THEN (
             SELECT (answer ->> 'subtotal')::numeric FROM invoice_discounts
             WHERE invoice_discounts.project = usage_entries.project
                   AND invoice_discounts.invoice = usage_entries.invoice
         )
    END
"""  # noqa: S608 - put together from the constants
# A cycle that also had an invoice in the other system is counted there, if the amounts of elsewhere are known.
_HERE = f"""
    SELECT currency, sum(base) AS base, count(DISTINCT cycle_start) FILTER (WHERE is_counted AND base IS NOT NULL)
           AS based_cycles, count(DISTINCT cycle_start) FILTER (WHERE is_counted) AS own_cycles,
           sum(cycle_end - cycle_start) AS days, count(*) AS entries
    FROM (
        SELECT currency, cycle_start, cycle_end, {_BASE} AS base,
               (ramp.taken_elsewhere <> '{{}}'
                AND cycle_start BETWEEN ramp.first_elsewhere AND ramp.start_elsewhere) IS NOT TRUE AS is_counted
        FROM usage_entries
        CROSS JOIN LATERAL (
            SELECT (ramp.phases -> (phase - 1) ->> 'percentage_millionths')::numeric / 1000000 AS fraction
        ) AS of_phase
        WHERE usage_entries.project = ramp.project AND discount_id = ramp.id AND {IS_UNREVERSED}
        OFFSET 0
    ) AS entry
    GROUP BY currency
"""  # noqa: S608 - put together from the constants
# The cycles of elsewhere were in the first phases. Their starts lie evenly between the first and the last, give or take
# 3 days. What their amounts did not take is the sum of their percentages. Several currencies share the cycles.
_ELSEWHERE = """
    SELECT taken.currency,
           greatest(0, taken.amount::numeric - coalesce(sum((phase -> 'amounts_minor' ->> taken.currency)::numeric), 0))
               * count(fraction) / nullif(sum(fraction), 0) AS base,
           count(fraction)::numeric / currencies AS based_cycles, count(*)::numeric / currencies AS own_cycles,
           ramp.end_elsewhere - ramp.start_elsewhere AS days, 1 AS entries
    FROM (
        SELECT key AS currency, value AS amount, count(*) OVER () AS currencies
        FROM jsonb_each_text(ramp.taken_elsewhere)
    ) AS taken
    CROSS JOIN generate_series(1, ramp.cycles_elsewhere) AS cycle
    CROSS JOIN LATERAL (
        SELECT phase, (phase ->> 'percentage_millionths')::numeric / 1000000 AS fraction
        FROM (
            SELECT phase, number, sum((phase ->> 'duration')::integer) OVER (ORDER BY number)::integer AS until
            FROM jsonb_array_elements(ramp.phases) WITH ORDINALITY AS phases (phase, number)
        ) AS step
        WHERE number = jsonb_array_length(ramp.phases)
              OR CASE WHEN ramp.duration_in_months IS NULL THEN cycle <= until
                 ELSE ramp.first_elsewhere + 3 + (ramp.start_elsewhere - ramp.first_elsewhere) * (cycle - 1)
                      / greatest(1, ramp.cycles_elsewhere - 1)
                      < ramp.first_elsewhere + make_interval(months => until) END
        ORDER BY number LIMIT 1
    ) AS in_phase
    GROUP BY taken.currency, taken.amount, currencies
"""
# If nothing is known of the cycles so far, the amounts of the phases still are, in the only currency that they have.
_UNTOLD = """
    SELECT min(currency) AS currency, NULL::numeric AS base, 0 AS based_cycles, 1 AS own_cycles,
           ramp.end_elsewhere - ramp.start_elsewhere AS days, 1 AS entries
    FROM (
        SELECT jsonb_object_keys(phase -> 'amounts_minor') AS currency FROM jsonb_array_elements(ramp.phases) AS phase
        WHERE jsonb_typeof(phase -> 'amounts_minor') = 'object'
    ) AS amounts
    WHERE ramp.taken_elsewhere = '{}' AND ramp.cycles = ramp.cycles_elsewhere AND ramp.cycles_again = 0
    HAVING count(DISTINCT currency) = 1
"""
# The sums of a ramp's cycles by currency, without credits. `base` is the sum of what its percentages are taken of. A
# cycle in two currencies counts in both.
_OF_CURRENCIES = f"""
    SELECT currency, sum(base) AS base, sum(based_cycles) AS based_cycles, sum(own_cycles) AS own_cycles,
           sum(days) AS days, sum(entries) AS entries, row_number() OVER (ORDER BY currency) = 1 AS is_first
    FROM ({_HERE} UNION ALL {_ELSEWHERE} UNION ALL {_UNTOLD}) AS part
    GROUP BY currency
"""  # noqa: S608 - put together from the constants
_TERMS = "voucher_id, phases, recurrence, duration_in_months, duration_in_cycles"
# The part of a total that is used, over all currencies.
_PART_USED = f"""
    SELECT coalesce(sum(used / (ramp.total_minor ->> currency)::numeric), 0)
    FROM (
        SELECT currency, {KEPT_MINOR} AS used FROM usage_entries
        WHERE usage_entries.project = ramp.project AND discount_id = ramp.id AND {IS_UNREVERSED}
        UNION ALL
        SELECT key, value::numeric FROM jsonb_each_text(ramp.taken_elsewhere)
    ) AS amount
"""  # noqa: S608 - put together from the constants
# Ramps with a total are counted one by one, because each has a rest of its own. A currency has the part of the rest
# that it has of the cycles.
_STARTED = text(f"""
    SELECT {_TERMS}, currency, anchor, next_on, cycle_days, cycles, sum(base) AS base, sum(share) AS share,
           sum(left_minor) AS left_minor
    FROM (
        SELECT {_TERMS}, currency, first_cycle_start AS anchor, last_cycle_end AS next_on, ramp.cycles,
               CASE WHEN total_minor IS NOT NULL THEN ramp.id END AS one,
               CASE WHEN total_minor IS NOT NULL
                    THEN (total_minor ->> currency)::numeric * greatest(0, 1 - ({_PART_USED}))
                         * own_cycles / ({CYCLES_KNOWN})
               END AS left_minor,
               round(sum(days) OVER of_one / sum(entries) OVER of_one)::integer AS cycle_days,
               base / nullif(based_cycles, 0) * own_cycles / ({CYCLES_KNOWN}) AS base,
               own_cycles / ({CYCLES_KNOWN}) AS share
        FROM ({RUNNING} AND cycles > 0 AND phases IS NOT NULL) AS ramp
        CROSS JOIN LATERAL ({_OF_CURRENCIES}) AS taken
        WINDOW of_one AS (PARTITION BY ramp.project, ramp.id)
    ) AS each
    GROUP BY {_TERMS}, currency, anchor, next_on, cycle_days, cycles, one
    ORDER BY voucher_id, currency, anchor, next_on, cycles
""")  # noqa: S608 - put together from the constants
_ALL_CYCLES = "sum(sum(ramp.cycles_here) FILTER (WHERE is_first)) OVER ()"
# The averages of all discounts of a voucher that have started here, including ended discounts.
_HISTORY = f"""
    SELECT currency, sum(base) / nullif(sum(based_cycles), 0) * sum(own_cycles) / {_ALL_CYCLES} AS base,
           sum(own_cycles) / {_ALL_CYCLES} AS share,
           round(sum(sum(days)) OVER () / sum(sum(entries)) OVER ())::integer AS cycle_days
    FROM ({GRANTED}) AS granted
    CROSS JOIN LATERAL (
        SELECT project, id, phases, duration_in_months, products, excluded_products, entries_credited, cycles,
               cycles_elsewhere, cycles_again, first_elsewhere, start_elsewhere, end_elsewhere,
               NULL::jsonb AS taken_elsewhere, {CYCLES_HERE} AS cycles_here
        FROM discounts {ELSEWHERE}
        WHERE discounts.project = :project AND discounts.id = granted.id
        OFFSET 0
    ) AS ramp
    CROSS JOIN LATERAL ({_OF_CURRENCIES}) AS taken
    GROUP BY currency
"""  # noqa: S608 - put together from the constants
_NOT_STARTED = text(f"""
    SELECT {_TERMS}, next_on, discounts, currency, base, share, cycle_days,
           (total_minor ->> currency)::numeric * share * discounts AS left_minor
    FROM (
        SELECT {_TERMS}, total_minor, greatest(starts_on, :since) AS next_on, count(*) AS discounts
        FROM ({RUNNING} AND cycles = 0 AND phases IS NOT NULL) AS running
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ) AS not_started
    LEFT JOIN LATERAL ({_HISTORY}) AS history ON true
    ORDER BY voucher_id, currency, next_on
""")  # noqa: S608 - put together from the constants


class StartedRampRow(Protocol):
    """Running ramps of a voucher that have started, with what a cycle has for their percentages, in minor units.

    `base` is None if nothing tells it, and `share` is the part of the cycles in the currency: both
    of all these ramps together. `left_minor` is the rest of their total, or None without a total.
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
    left_minor: Decimal | None


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
    left_minor: Decimal | None


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
