"""What running discounts took so far, grouped by what is alike: the ledger's averages that a forecast goes on from."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import StoredRow

# What a reversal gave back was never taken.
_IS_STANDING = """
    NOT EXISTS (
        SELECT FROM usage_reversals
        WHERE usage_reversals.project = usage_entries.project
              AND usage_reversals.discount_id = usage_entries.discount_id
              AND usage_reversals.invoice = usage_entries.invoice AND reason <> 'refunded'
    )
"""
_RUNNING = """
    SELECT * FROM discounts
    WHERE project = :project AND status = 'running'
          AND (CAST(:voucher_id AS uuid) IS NULL OR voucher_id = :voucher_id)
          AND (ends_on IS NULL OR ends_on > :since)
"""
# A discount's own entries. Of a balance, `share` is how much of it is used, over all currencies.
_TAKEN = f"""
    SELECT currency, sum(amount_minor) AS taken,
           round(sum(sum(period_end - period_start)) OVER () / sum(count(*)) OVER ())::integer AS cycle_days,
           sum(sum(amount_minor) / (amounts_minor ->> currency)::numeric) OVER () AS share
    FROM (
        SELECT currency, amount_minor, period_start, period_end FROM usage_entries
        WHERE usage_entries.project = running.project AND discount_id = running.id AND {_IS_STANDING}
        OFFSET 0
    ) AS entry
    GROUP BY currency
"""  # noqa: S608 - put together from the constants above
# What is left of a balance is taken in the same parts as what was. A cycle that is not whole is the rest.
_STARTED = text(f"""
    SELECT voucher_id, currency, anchor, next_on, cycle_days, ends_on,
           CASE WHEN has_rest THEN floor(cycles_of_balance) ELSE cycles_left END::integer AS cycles_left,
           sum(per_cycle) AS per_cycle,
           sum(CASE WHEN has_rest THEN per_cycle * (cycles_of_balance - floor(cycles_of_balance)) ELSE 0 END) AS rest
    FROM (
        SELECT voucher_id, currency, first_period_start AS anchor, last_period_end AS next_on, cycle_days, ends_on,
               taken / cycles::numeric AS per_cycle, duration_in_cycles - cycles AS cycles_left,
               cycles * (1 - share) / share AS cycles_of_balance,
               carry_over AND (cycles * (1 - share) / share < duration_in_cycles - cycles) IS NOT FALSE AS has_rest
        FROM ({_RUNNING} AND cycles > 0) AS running
        CROSS JOIN LATERAL ({_TAKEN}) AS taken
    ) AS each
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 2, 3, 4, 5, 6, 7
""")  # noqa: S608 - put together from the constants above
# All that a voucher's discounts took, of those that have begun.
_HISTORY = f"""
    SELECT currency, sum(taken) / sum(sum(cycles) FILTER (WHERE is_first)) OVER () AS per_cycle,
           round(sum(sum(days)) OVER () / sum(sum(entries)) OVER ())::integer AS cycle_days
    FROM (
        SELECT redemptions.id FROM redemptions
        WHERE redemptions.project COLLATE "C" = :project AND redemptions.voucher_id = find_waiting.voucher_id
              AND reason IS NULL
        OFFSET 0
    ) AS granted
    CROSS JOIN LATERAL (
        SELECT cycles FROM discounts WHERE discounts.project = :project AND discounts.id = granted.id OFFSET 0
    ) AS discount
    CROSS JOIN LATERAL (
        SELECT currency, sum(amount_minor) AS taken, sum(period_end - period_start) AS days, count(*) AS entries,
               row_number() OVER (ORDER BY currency) = 1 AS is_first
        FROM usage_entries
        WHERE usage_entries.project = :project AND discount_id = granted.id AND {_IS_STANDING}
        GROUP BY currency
    ) AS entry
    GROUP BY currency
"""  # noqa: S608 - put together from the constants above
_WAITING = text(f"""
    SELECT voucher_id, currency, next_on, cycle_days, recurrence, duration_in_months, duration_in_cycles,
           per_cycle, discounts, (balance ->> currency)::bigint AS balance
    FROM (
        SELECT voucher_id, recurrence, duration_in_months, duration_in_cycles,
               CASE WHEN carry_over THEN amounts_minor END AS balance, greatest(starts_on, :since) AS next_on,
               count(*) AS discounts
        FROM ({_RUNNING} AND cycles = 0) AS running
        GROUP BY 1, 2, 3, 4, 5, 6
    ) AS find_waiting
    LEFT JOIN LATERAL ({_HISTORY}) AS history ON true
    ORDER BY 1, 2, 3, 4
""")  # noqa: S608 - put together from the constants above
_COUNTED = text(f"""
    SELECT count(*) AS discounts, count(*) FILTER (WHERE cycles > 0) AS find_started, coalesce(sum(cycles), 0) AS cycles
    FROM ({_RUNNING}) AS running
""")  # noqa: S608 - put together from the constants above


def find_started(session: Session, *, project: str, voucher_id: UUID | None, since: date) -> list[StoredRow]:
    """This function will return what the running discounts that have begun take in each cycle, alike ones together."""
    return list(session.execute(_STARTED, _parameters(project, voucher_id, since)).all())


def find_waiting(session: Session, *, project: str, voucher_id: UUID | None, since: date) -> list[StoredRow]:
    """This function will return the running discounts that have not begun, with their vouchers' averages.

    A row for each currency; without one where the voucher has no history.
    """
    return list(session.execute(_WAITING, _parameters(project, voucher_id, since)).all())


def count_running(session: Session, *, project: str, voucher_id: UUID | None, since: date) -> StoredRow:
    """This function will count the running discounts, those that have begun, and the latter's cycles."""
    return session.execute(_COUNTED, _parameters(project, voucher_id, since)).one()


def _parameters(project: str, voucher_id: UUID | None, since: date) -> dict[str, Any]:
    return {"project": project, "voucher_id": voucher_id, "since": since}
