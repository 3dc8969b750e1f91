"""The rows of invoices, ledger entries and reversals that queries return."""

from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID


class InvoiceRow(Protocol):
    """A row of `invoice_discounts` with all columns."""

    project: str
    invoice: str
    fingerprint: bytes
    subscription: str
    customer: str
    answer: dict[str, Any]
    applied_at: datetime


class EntryRow(Protocol):
    """A row of `usage_entries` with all columns."""

    project: str
    discount_id: UUID
    invoice: str
    id: UUID
    period_start: date
    period_end: date
    cycle_start: date
    cycle_end: date
    currency: str
    amount_minor: int
    created_at: datetime
    phase: int | None


class InvoiceReversalRow(Protocol):
    """A row of `invoice_reversals` without the answer, which can be long."""

    project: str
    invoice: str
    id: UUID
    kind: str
    lines: list[dict[str, Any]]


class ListedReversalRow(Protocol):
    """The answer to a reversal. A check constraint demands it of all rows that are not credits."""

    id: UUID
    answer: dict[str, Any]
    actor: str | None


class ReversalWithAnswerRow(Protocol):
    """A reversal with the answer to it, or a credit with the crediting invoice."""

    id: UUID
    kind: str
    lines: list[dict[str, Any]]
    answer: dict[str, Any] | None
    created_at: datetime
    credited_by: str | None
    actor: str | None


class LatestReversalRow(Protocol):
    """The kind and the instant of an invoice's latest reversal."""

    project: str
    invoice: str
    kind: str
    created_at: datetime
