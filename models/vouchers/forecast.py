"""Averages of the ledger for a forecast: how much running discounts take per cycle.

Discounts of a voucher with the same cycles, end and currency are counted together in a row. Ramps have queries of their
own.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.reversal_kinds import GIVES_BACK
from models.vouchers.total import TOTAL_MINOR

# A cycle that a reversal gave back counts as never taken.
IS_UNREVERSED = f"""
    NOT EXISTS (
        SELECT FROM usage_reversals
        WHERE usage_reversals.project = usage_entries.project
              AND usage_reversals.discount_id = usage_entries.discount_id
              AND usage_reversals.invoice = usage_entries.invoice AND {GIVES_BACK}
    )
"""
_REVERSED = """
    (
        SELECT coalesce(-sum(amount_minor), 0) FROM usage_reversals
        WHERE usage_reversals.project = usage_entries.project
              AND usage_reversals.discount_id = usage_entries.discount_id
              AND usage_reversals.invoice = usage_entries.invoice {of_kind}
    )
"""
# A credited amount is one that the discount does not take, while a refund says nothing about the next cycle.
TAKEN_MINOR = f"amount_minor - {_REVERSED.format(of_kind='AND credited_by IS NOT NULL')}"
# A refund goes back into a total.
KEPT_MINOR = f"amount_minor - {_REVERSED.format(of_kind='')}"
# Of a discount that ran in another system: its cycles and amounts there, and how many of these cycles got another
# invoice here. The discount does not count such a cycle again.
ELSEWHERE = f"""
    LEFT JOIN LATERAL (
        SELECT cycles AS cycles_elsewhere, taken_minor AS taken_elsewhere,
               imported_discounts.first_cycle_start AS first_elsewhere,
               imported_discounts.last_cycle_start AS start_elsewhere,
               imported_discounts.last_cycle_end AS end_elsewhere,
               (
                   SELECT count(DISTINCT cycle_start) FROM usage_entries
                   WHERE usage_entries.project = imported_discounts.project
                         AND usage_entries.discount_id = imported_discounts.discount_id
                         AND cycle_start BETWEEN imported_discounts.first_cycle_start
                                             AND imported_discounts.last_cycle_start
                         AND {IS_UNREVERSED}
               ) AS cycles_again
        FROM imported_discounts
        WHERE discounts.is_imported AND imported_discounts.project = discounts.project
              AND discount_id = discounts.id
        OFFSET 0
    ) AS imported ON true
"""  # noqa: S608 - put together from the constant above
_CYCLES_IN_LEDGER = "cycles - coalesce(cycles_elsewhere, 0) + coalesce(cycles_again, 0)"
CYCLES_HERE = f"greatest(1, {_CYCLES_IN_LEDGER})"
RUNNING = f"""
    SELECT *, {TOTAL_MINOR} AS total_minor FROM discounts {ELSEWHERE}
    WHERE project = :project AND status = 'running'
          AND (CAST(:voucher_id AS uuid) IS NULL OR voucher_id = :voucher_id)
          AND (ends_on IS NULL OR ends_on > :since)
"""  # noqa: S608 - put together from the constant above
# The sums of a discount's own entries by currency, without credits. `share` is the part of a total that the cycles
# have used, over all currencies, and `share_left` the rest of the total, which gets refunds back.
# An amount of 0 has no parts.
# OFFSET 0 keeps the planner from merging a subquery into the outer query, so each discount costs one index scan.
_TAKEN = f"""
    SELECT currency, sum(taken_minor) AS taken,
           round(sum(sum(cycle_end - cycle_start)) OVER () / sum(count(*)) OVER ())::integer AS cycle_days,
           sum(sum(taken_minor) / nullif((total_minor ->> currency)::numeric, 0)) OVER () AS share,
           1 - sum(sum(kept_minor) / nullif((total_minor ->> currency)::numeric, 0)) OVER () AS share_left
    FROM (
        SELECT currency, cycle_start, cycle_end,
               CASE WHEN running.entries_credited > 0 THEN {TAKEN_MINOR} ELSE amount_minor END AS taken_minor,
               CASE WHEN total_minor IS NOT NULL THEN {KEPT_MINOR} END AS kept_minor
        FROM usage_entries
        WHERE usage_entries.project = running.project AND discount_id = running.id AND {IS_UNREVERSED}
        UNION ALL
        SELECT key, running.start_elsewhere, running.end_elsewhere, value::bigint, value::bigint
        FROM jsonb_each_text(running.taken_elsewhere) WHERE running.cycles_elsewhere > 0
        OFFSET 0
    ) AS entry
    GROUP BY currency
"""  # noqa: S608 - put together from the constants above
# If nobody has told the amounts of elsewhere, its cycles tell nothing either.
CYCLES_KNOWN = f"CASE WHEN taken_elsewhere = '{{}}' THEN {CYCLES_HERE} ELSE cycles END"
# The rest of a total is taken in the same amounts per cycle as before. The last, incomplete cycle is `rest`.
_STARTED = text(f"""
    SELECT voucher_id, currency, anchor, next_on, cycle_days, ends_on,
           CASE WHEN has_rest THEN floor(cycles_of_total) ELSE cycles_left END::integer AS cycles_left,
           sum(per_cycle) AS per_cycle,
           sum(CASE WHEN has_rest THEN per_cycle * (cycles_of_total - floor(cycles_of_total)) ELSE 0 END) AS rest
    FROM (
        SELECT voucher_id, currency, first_cycle_start AS anchor, last_cycle_end AS next_on, cycle_days, ends_on,
               taken / cycles_known::numeric AS per_cycle, duration_in_cycles - cycles AS cycles_left,
               cycles_known * share_left / nullif(share, 0) AS cycles_of_total,
               -- If all was credited, nothing tells how long the total lasts.
               total_minor IS NOT NULL AND share > 0
               AND (cycles_known * share_left / nullif(share, 0) < duration_in_cycles - cycles) IS NOT FALSE AS has_rest
        FROM (
            SELECT *, {CYCLES_KNOWN} AS cycles_known FROM ({RUNNING} AND cycles > 0 AND phases IS NULL) AS of_all
        ) AS running
        CROSS JOIN LATERAL ({_TAKEN}) AS taken
    ) AS each
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 2, 3, 4, 5, 6, 7
""")  # noqa: S608 - put together from the constants above
# The discounts of the voucher `not_started`, by the ids of their redemptions.
GRANTED = """
    SELECT redemptions.id FROM redemptions
    WHERE redemptions.project COLLATE "C" = :project AND redemptions.voucher_id = not_started.voucher_id
          AND reason IS NULL
    OFFSET 0
"""
# The average of all discounts of a voucher that have started, including ended discounts.
_HISTORY = f"""
    SELECT currency, sum(taken) / sum(sum(cycles) FILTER (WHERE is_first)) OVER () AS per_cycle,
           round(sum(sum(days)) OVER () / sum(sum(entries)) OVER ())::integer AS cycle_days
    FROM ({GRANTED}) AS granted
    CROSS JOIN LATERAL (
        SELECT {CYCLES_HERE} AS cycles, entries_credited FROM discounts {ELSEWHERE}
        WHERE discounts.project = :project AND discounts.id = granted.id
        OFFSET 0
    ) AS discount
    CROSS JOIN LATERAL (
        SELECT currency, sum(CASE WHEN entries_credited > 0 THEN {TAKEN_MINOR} ELSE amount_minor END) AS taken,
               sum(cycle_end - cycle_start) AS days, count(*) AS entries,
               row_number() OVER (ORDER BY currency) = 1 AS is_first
        FROM usage_entries
        WHERE usage_entries.project = :project AND discount_id = granted.id AND {IS_UNREVERSED}
        GROUP BY currency
    ) AS entry
    GROUP BY currency
"""  # noqa: S608 - put together from the constants above
_NOT_STARTED = text(f"""
    SELECT voucher_id, currency, next_on, cycle_days, recurrence, duration_in_months, duration_in_cycles,
           per_cycle, discounts, (total_minor ->> currency)::bigint AS total
    FROM (
        SELECT voucher_id, recurrence, duration_in_months, duration_in_cycles,
               total_minor, greatest(starts_on, :since) AS next_on, count(*) AS discounts
        FROM ({RUNNING} AND cycles = 0 AND phases IS NULL) AS running
        GROUP BY 1, 2, 3, 4, 5, 6
    ) AS not_started
    LEFT JOIN LATERAL ({_HISTORY}) AS history ON true
    ORDER BY 1, 2, 3, 4
""")  # noqa: S608 - put together from the constants above
_COUNTED = text(f"""
    SELECT count(*) AS discounts, count(*) FILTER (WHERE cycles_known > 0) AS started,
           count(*) FILTER (WHERE cycles > 0 AND cycles_known = 0) AS untold,
           coalesce(sum(cycles_known), 0)::bigint AS cycles
    FROM (
        SELECT cycles, CASE WHEN taken_elsewhere = '{{}}' THEN {_CYCLES_IN_LEDGER} ELSE cycles END AS cycles_known
        FROM ({RUNNING}) AS running
    ) AS each
""")  # noqa: S608 - put together from the constants above


class StartedRow(Protocol):
    """Running discounts of a voucher that have started, with the average that they take together per cycle.

    `per_cycle` and `rest` are in minor units. `cycles_left` is None if only `ends_on` or nothing ends the discounts.
    """

    voucher_id: UUID
    currency: str
    anchor: date
    next_on: date
    cycle_days: int
    ends_on: date | None
    cycles_left: int | None
    per_cycle: Decimal
    rest: Decimal


class NotStartedRow(Protocol):
    """Running discounts of a voucher that have not started, with the voucher's average per cycle and discount.

    `per_cycle` and `total`, that of a discount, are in minor units.
    """

    voucher_id: UUID
    currency: str | None
    next_on: date
    cycle_days: int | None
    recurrence: str
    duration_in_months: int | None
    duration_in_cycles: int | None
    per_cycle: Decimal | None
    discounts: int
    total: int | None


class RunningCountRow(Protocol):
    """How many discounts are running, how many of them have known amounts, and the cycles of these.

    `untold` have started, but in another system only, and nobody has told their amounts.
    """

    discounts: int
    started: int
    untold: int
    cycles: int


def find_started(session: Session, *, project: str, voucher_id: UUID | None, since: date) -> Sequence[StartedRow]:
    """Return how much the running discounts that have started take per cycle."""
    return session.execute(_STARTED, parameters_of(project, voucher_id, since)).all()


def find_not_started(
    session: Session, *, project: str, voucher_id: UUID | None, since: date
) -> Sequence[NotStartedRow]:
    """Return the running discounts that have not started, with the averages of their vouchers.

    There is a row for each currency. A voucher without an entry in the ledger has a single row without a currency.
    """
    return session.execute(_NOT_STARTED, parameters_of(project, voucher_id, since)).all()


def count_running(session: Session, *, project: str, voucher_id: UUID | None, since: date) -> RunningCountRow:
    """Count the running discounts, those of them whose amounts are known, and the cycles."""
    return session.execute(_COUNTED, parameters_of(project, voucher_id, since)).one()


def parameters_of(project: str, voucher_id: UUID | None, since: date) -> dict[str, Any]:
    """Return the parameters of a query for running discounts."""
    return {"project": project, "voucher_id": voucher_id, "since": since}
