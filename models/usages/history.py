"""The history of customers with a voucher: entries for invoices, reversals and records, as sums and in pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value
from models.reversal_kinds import GIVES_BACK
from models.usages.by_customer import UsageGrantRow

# All entries of the customers, with a customer's discounts as arrays. OFFSET 0 keeps the planner from reordering these
# joins: one index scan per element of an array.
_ENTRIES = f"""(
    SELECT granted.customer, entry.id, entry.invoice AS ref, 'invoice' AS ref_type, 1::bigint AS usage, 0 AS stamp,
           entry.amount_minor, entry.currency, entry.created_at, NULL AS created_by
    FROM unnest(CAST(:granted_to AS text[]), CAST(:granted AS uuid[])) AS granted (customer, id)
    CROSS JOIN LATERAL (
        SELECT id, invoice, amount_minor, currency, created_at FROM usage_entries
        WHERE project = :project AND discount_id = granted.id
        OFFSET 0
    ) AS entry
    UNION ALL
    SELECT granted.customer, reversal.id, coalesce(reversal.credited_by, reversal.invoice),
           CASE WHEN reversal.credited_by IS NULL THEN 'reversal' ELSE 'credit' END,
           CASE WHEN reversal.gives_back THEN -1 ELSE 0 END, 0,
           reversal.amount_minor, reversal.currency, reversal.created_at, NULL
    FROM unnest(CAST(:granted_to AS text[]), CAST(:granted AS uuid[])) AS granted (customer, id)
    CROSS JOIN LATERAL (
        SELECT id, invoice, credited_by, {GIVES_BACK} AS gives_back, amount_minor, currency, created_at
        FROM usage_reversals
        WHERE project = :project AND discount_id = granted.id
        OFFSET 0
    ) AS reversal
    UNION ALL
    SELECT customers.customer, record.id, record.ref, record.ref_type, record.usage, record.stamp,
           record.amount_minor, record.currency, record.created_at, record.created_by
    FROM unnest(CAST(:customers AS text[])) AS customers (customer)
    CROSS JOIN LATERAL (
        SELECT id, ref, ref_type, usage, stamp, amount_minor, currency, created_at, created_by FROM usage_records
        WHERE project = :project AND voucher_id = :voucher_id AND reason IS NULL AND customer = customers.customer
        OFFSET 0
    ) AS record
)"""  # noqa: S608 - put together from the constant above
_SUMS = text(f"""
    SELECT customer, currency, sum(usage)::bigint AS usage, sum(stamp)::bigint AS stamp,
           sum(amount_minor)::bigint AS amount_minor, max(created_at) AS last_at
    FROM {_ENTRIES} AS entry GROUP BY customer, currency
""")  # noqa: S608 - put together from the constant above
_NEWEST = """
    SELECT * FROM (
        SELECT entry.*, row_number() OVER (PARTITION BY customer ORDER BY created_at DESC, id DESC) AS number
        FROM {entries} AS entry {older}
    ) AS numbered
    WHERE number <= :limit ORDER BY created_at, id
"""
_NEWEST_OF_ALL = text(_NEWEST.format(entries=_ENTRIES, older=""))
_NEWEST_BEFORE = text(
    _NEWEST.format(entries=_ENTRIES, older="WHERE (created_at, id) < (CAST(:before_at AS timestamptz), :before_id)")
)
_POSITION = text(f"SELECT created_at, id FROM {_ENTRIES} AS entry WHERE id = :id")  # noqa: S608 - see above


class HistoryEntryRow(Protocol):
    """An entry of a customer. The amount is in minor units of `currency`, and negative in a reversal."""

    customer: str
    id: UUID
    ref: str
    ref_type: str
    usage: int
    stamp: int
    amount_minor: int
    currency: str | None
    created_at: datetime
    created_by: str | None


class HistorySumRow(Protocol):
    """The sums of a customer's entries in a currency, or of those without one, and the instant of the last."""

    customer: str
    currency: str | None
    usage: int
    stamp: int
    amount_minor: int
    last_at: datetime


class PositionRow(Protocol):
    """The position of an entry in the history of a customer."""

    created_at: datetime
    id: UUID


@value
class ListedCustomers:
    """Some customers of a voucher, and the discounts that they were granted for it."""

    project: str
    voucher_id: UUID
    customers: Sequence[str]
    grants: Sequence[UsageGrantRow]

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statements above."""
        return {
            "project": self.project,
            "voucher_id": self.voucher_id,
            "customers": list(self.customers),
            "granted_to": [each.customer for each in self.grants],
            "granted": [each.id for each in self.grants],
        }


def sum_entries(session: Session, *, of: ListedCustomers) -> list[HistorySumRow]:
    """Return the sums of each customer's entries, one row for each currency."""
    return list(session.execute(_SUMS, of.parameters()))


def newest_entries(
    session: Session, *, of: ListedCustomers, before: PositionRow | None, limit: int
) -> list[HistoryEntryRow]:
    """Return the newest entries of each customer, or the newest before a position: at most `limit`, oldest first."""
    parameters = {**of.parameters(), "limit": limit}
    if before is None:
        return list(session.execute(_NEWEST_OF_ALL, parameters))
    position = {"before_at": before.created_at, "before_id": before.id}
    return list(session.execute(_NEWEST_BEFORE, parameters | position))


def find_position(session: Session, *, of: ListedCustomers, id: UUID) -> PositionRow | None:  # noqa: A002 - the column's name
    """Return the position of an entry of the customers, or None if they have no such entry."""
    return session.execute(_POSITION, {**of.parameters(), "id": id}).one_or_none()
