"""The ledger: each discounted invoice with its answer, and an entry for each discount that took an amount off."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, Integer, LargeBinary, Text, Uuid, and_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.terms import PHASES_MAX
from models.append_only import append_only
from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    array_parameters,
    index_by_time,
    insert_from_arrays,
    rows_from_arrays,
    table_of,
)
from models.discounts.discount import DISCOUNTS
from models.foreign_keys import add_foreign_key
from models.invoices.row_types import EntryRow, InvoiceRow
from models.invoices.stored_answer import StoredAnswer


class InvoiceDiscount(Base):
    """An invoice and the answer to it, which is final. Rows are written once and never changed."""

    __tablename__ = "invoice_discounts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    invoice: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    subscription: Mapped[str] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    # JSON, not JSONB: a replay has the fields in the first answer's order, and storing text is cheap.
    answer: Mapped[dict[str, Any]] = mapped_column(StoredAnswer)
    applied_at: Mapped[datetime] = mapped_column(Instant)

    # For lists. Without the invoice, because three of the caller's ids can be longer than an index allows. The
    # condition keeps the planner from skipping through the index of the other owner.
    __table_args__ = (
        *(
            Index(
                f"ix_invoice_discounts_{name}",
                name,
                text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
                "applied_at",
                postgresql_where=text(f"{name} IS NOT NULL"),
            )
            for name in ("subscription", "customer")
        ),
        # For the audit of what changed.
        index_by_time("applied_at"),
    )


class UsageEntry(Base):
    """A ledger entry: the amount that a discount took off an invoice. Rows are written once and never changed."""

    __tablename__ = "usage_entries"

    # With this key, a discount applies to an invoice at most once.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    discount_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    invoice: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid)
    period_start: Mapped[date] = mapped_column(Date)
    period_end: Mapped[date] = mapped_column(Date)
    # The subscription's billing cycle to which the invoice belongs. Progress and allowances go by it.
    cycle_start: Mapped[date] = mapped_column(Date)
    cycle_end: Mapped[date] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # The number, from 1, of the phase that the cycle is in, if the discount is a ramp.
    phase: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(f"phase BETWEEN 1 AND {PHASES_MAX}", name="phase_in_range"),
        CheckConstraint("period_start < period_end", name="period_not_empty"),
        CheckConstraint("cycle_start < cycle_end", name="cycle_not_empty"),
        # For reports, and for the audit of what changed.
        index_by_time("created_at"),
    )


INVOICE_DISCOUNTS = append_only(table_of(InvoiceDiscount))
USAGE_ENTRIES = append_only(table_of(UsageEntry))
# The answer and the discount explain the entry, so neither can be deleted.
add_foreign_key(USAGE_ENTRIES, "invoice", to=INVOICE_DISCOUNTS, key="invoice")
add_foreign_key(USAGE_ENTRIES, "discount_id", to=DISCOUNTS, key="id")
INVOICE_COLUMNS = ("project", "invoice", "fingerprint", "subscription", "customer", "answer", "applied_at")
ENTRY_COLUMNS = (
    "project",
    "discount_id",
    "invoice",
    "id",
    "period_start",
    "period_end",
    "cycle_start",
    "cycle_end",
    "currency",
    "amount_minor",
    "created_at",
    "phase",
)
# The project and the caller's id of the invoice.
InvoiceKey = tuple[str, str]

_INVOICES = rows_from_arrays("invoices", project=Text(), invoice=Text())
_FIND_INVOICES = select(INVOICE_DISCOUNTS).join(
    _INVOICES,
    and_(INVOICE_DISCOUNTS.c.project == _INVOICES.c.project, INVOICE_DISCOUNTS.c.invoice == _INVOICES.c.invoice),
)
_ENTRIES = rows_from_arrays("entries", project=Text(), discount_id=Uuid(), invoice=Text())
_FIND_ENTRIES = select(USAGE_ENTRIES).join(
    _ENTRIES,
    and_(
        USAGE_ENTRIES.c.project == _ENTRIES.c.project,
        USAGE_ENTRIES.c.discount_id == _ENTRIES.c.discount_id,
        USAGE_ENTRIES.c.invoice == _ENTRIES.c.invoice,
    ),
)
_INSERT_INVOICES = insert_from_arrays(InvoiceDiscount, INVOICE_COLUMNS)
_INSERT_ENTRIES = insert_from_arrays(UsageEntry, ENTRY_COLUMNS)


def find_invoices(session: Session, *, keys: Iterable[InvoiceKey]) -> dict[InvoiceKey, InvoiceRow]:
    """Return the stored invoices of the (project, invoice) keys; an unknown invoice is left out."""
    rows = session.execute(_FIND_INVOICES, array_parameters("invoices", ("project", "invoice"), set(keys))).all()
    return {(row.project, row.invoice): row for row in rows}


def find_entries(session: Session, *, keys: Iterable[tuple[str, UUID, str]]) -> list[EntryRow]:
    """Return the ledger entries of the (project, discount, invoice) keys."""
    parameters = array_parameters("entries", ("project", "discount_id", "invoice"), keys)
    return list(session.execute(_FIND_ENTRIES, parameters).all())


def add_invoices(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add invoices with their answers. All batches insert in the same order, so two batches never deadlock."""
    in_order = sorted(rows, key=itemgetter("project", "invoice"))
    values = map(itemgetter(*INVOICE_COLUMNS), in_order)
    session.execute(_INSERT_INVOICES, array_parameters("new", INVOICE_COLUMNS, values))


def add_entries(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add ledger entries."""
    session.execute(_INSERT_ENTRIES, array_parameters("new", ENTRY_COLUMNS, map(itemgetter(*ENTRY_COLUMNS), rows)))
