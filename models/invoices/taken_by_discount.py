"""Find the newest ledger entries and reversals of discounts, and when each discount first took something."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# OFFSET 0 keeps the planner from reordering the join: one index scan per discount and table. A discount has few
# entries: all are read.
_ENTRIES = """
    SELECT entry.* FROM unnest(CAST(:ids AS uuid[])) AS listed (id)
    CROSS JOIN LATERAL (
        SELECT discount_id, id, invoice, kind, credited_by, currency, amount_minor, cycle_start, cycle_end, created_at,
               count(*) OVER () AS entries,
               CAST(coalesce(sum(amount_minor) FILTER (WHERE cycle_start IS NULL) OVER (), 0) AS bigint)
                   AS reversed_minor,
               max(created_at) FILTER (WHERE cycle_start IS NULL) OVER () AS last_reversed_at,
               min(created_at) FILTER (WHERE cycle_start IS NOT NULL) OVER () AS first_taken_at
        FROM (
            (SELECT discount_id, id, invoice, NULL AS kind, NULL AS credited_by, currency, amount_minor, cycle_start,
                    cycle_end, created_at
             FROM usage_entries WHERE project = :project AND discount_id = listed.id {of_invoice} OFFSET 0)
            UNION ALL
            (SELECT discount_id, id, invoice, kind, credited_by, currency, amount_minor, NULL, NULL, created_at
             FROM usage_reversals WHERE project = :project AND discount_id = listed.id {of_invoice} OFFSET 0)
        ) AS entries_and_reversals
        ORDER BY created_at DESC, id DESC LIMIT :limit
    ) AS entry
    ORDER BY entry.created_at, entry.id
"""
_OF_ALL = text(_ENTRIES.format(of_invoice=""))
_OF_INVOICE = text(_ENTRIES.format(of_invoice="AND invoice = :invoice"))


class TakenRow(Protocol):
    """An amount that a discount took off an invoice, or a reversal of one, which has a kind and mostly less than 0.

    `entries` is the number of all rows of the discount, `reversed_minor` the sum of all reversals, `last_reversed_at`
    the instant of the last one, and `first_taken_at` that of the first amount. They are the same in each row.
    """

    discount_id: UUID
    id: UUID
    invoice: str
    kind: str | None
    credited_by: str | None
    currency: str
    amount_minor: int
    cycle_start: date | None
    cycle_end: date | None
    created_at: datetime
    entries: int
    reversed_minor: int
    last_reversed_at: datetime | None
    first_taken_at: datetime | None


def newest_taken(
    session: Session, *, project: str, discounts: Sequence[UUID], limit: int, invoice: str | None = None
) -> list[TakenRow]:
    """Return the newest entries and reversals of each discount, at most `limit` of each, oldest first.

    With an invoice, return only those of that invoice.
    """
    parameters: dict[str, Any] = {"project": project, "ids": list(discounts), "limit": limit}
    if invoice is None:
        return list(session.execute(_OF_ALL, parameters).all())
    return list(session.execute(_OF_INVOICE, parameters | {"invoice": invoice}).all())
