"""Reversals: entries of the ledger that take back what others took."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Text,
    Uuid,
    and_,
    false,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.reversal import ReversalReason
from models.append_only import append_only
from models.base import (
    Base,
    Instant,
    StoredRow,
    array_parameters,
    insert_from_arrays,
    one_of,
    rows_from_arrays,
    table_of,
)
from models.invoices.ledger import USAGE_ENTRIES

REASON_KNOWN = one_of("reason", ReversalReason)
CHARGED_BACK_IF_FAILED = "NOT is_charged_back OR reason = 'payment_failed'"


class InvoiceReversal(Base):
    """One reversal of an invoice as it was answered. Rows are written once and never changed."""

    __tablename__ = "invoice_reversals"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    invoice: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    # Whether the payment that failed was had first. Then no place is given back for it.
    is_charged_back: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # Of a refund: the minor units of each line, and what each discount's part of them is.
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # What is reversed is not deleted: it explains the reversal.
        ForeignKeyConstraint(
            ["project", "invoice"], ["invoice_discounts.project", "invoice_discounts.invoice"], ondelete="RESTRICT"
        ),
        CheckConstraint(REASON_KNOWN, name="reason_known"),
        CheckConstraint(CHARGED_BACK_IF_FAILED, name="charged_back_if_failed"),
        Index("ix_invoice_reversals_invoice", "project", "invoice"),
        # An invoice is voided, or its payment fails, once.
        Index(
            "uq_invoice_reversals_given_back",
            "project",
            "invoice",
            unique=True,
            postgresql_where=text("reason <> 'refunded'"),
        ),
    )


class UsageReversal(Base):
    """What one reversal takes back of one entry of the ledger: a negative entry that points to it."""

    __tablename__ = "usage_reversals"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # Which entry.
    discount_id: Mapped[UUID] = mapped_column(Uuid)
    invoice: Mapped[str] = mapped_column(Text)
    reversal_id: Mapped[UUID] = mapped_column(Uuid)
    reason: Mapped[str] = mapped_column(Text)
    is_charged_back: Mapped[bool] = mapped_column(Boolean, server_default=false())
    currency: Mapped[str] = mapped_column(Text)
    # A small refund's share can be nothing at all.
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    # Whether with it all is refunded of the lines that the discount took something off.
    is_in_full: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # They are not deleted: they explain the entry.
        ForeignKeyConstraint(
            ["project", "discount_id", "invoice"],
            ["usage_entries.project", "usage_entries.discount_id", "usage_entries.invoice"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["project", "reversal_id"], ["invoice_reversals.project", "invoice_reversals.id"], ondelete="RESTRICT"
        ),
        CheckConstraint(REASON_KNOWN, name="reason_known"),
        CheckConstraint(CHARGED_BACK_IF_FAILED, name="charged_back_if_failed"),
        CheckConstraint("amount_minor <= 0", name="amount_not_positive"),
        Index("ix_usage_reversals_entry", "project", "discount_id", "invoice"),
        # An entry is given back once.
        Index(
            "uq_usage_reversals_given_back",
            "project",
            "discount_id",
            "invoice",
            unique=True,
            postgresql_where=text("reason <> 'refunded'"),
        ),
    )


INVOICE_REVERSALS = append_only(table_of(InvoiceReversal))
USAGE_REVERSALS = append_only(table_of(UsageReversal))
_COLUMNS = tuple(column.name for column in USAGE_REVERSALS.c)
_ENTRIES = rows_from_arrays("entries", project=Text(), discount_id=Uuid(), invoice=Text())

_FIND_ENTRIES = select(USAGE_ENTRIES).join(
    _ENTRIES,
    and_(
        USAGE_ENTRIES.c.project == _ENTRIES.c.project,
        USAGE_ENTRIES.c.discount_id == _ENTRIES.c.discount_id,
        USAGE_ENTRIES.c.invoice == _ENTRIES.c.invoice,
    ),
)
_INSERT = insert_from_arrays(UsageReversal, _COLUMNS)


def find_reversals(session: Session, *, project: str, invoice: str) -> Sequence[StoredRow]:
    """This function will return what was reversed of an invoice so far, without the answers.

    Take it in a statement of its own after the subscription's lock.
    """
    columns = INVOICE_REVERSALS.c
    shown = (columns.project, columns.id, columns.reason, columns.is_charged_back, columns.lines)
    return session.execute(select(*shown).where(columns.project == project, columns.invoice == invoice)).all()


def reversal_answered(session: Session, *, project: str, id: UUID) -> dict[str, Any]:  # noqa: A002 - the column's name
    """This function will return what a reversal was answered."""
    columns = INVOICE_REVERSALS.c
    answer: dict[str, Any]
    answer = session.execute(select(columns.answer).where(columns.project == project, columns.id == id)).scalar_one()
    return answer


def find_entries(session: Session, *, keys: Iterable[tuple[str, UUID, str]]) -> list[StoredRow]:
    """This function will return the entries of the ledger for each (project, discount, invoice)."""
    parameters = array_parameters("entries", ("project", "discount_id", "invoice"), keys)
    return list(session.execute(_FIND_ENTRIES, parameters).all())


def add_reversal(session: Session, *, values: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> None:
    """This function will append a reversal and its entries. A unique violation means that it was given back before."""
    session.execute(insert(INVOICE_REVERSALS).values(**values))
    session.execute(_INSERT, array_parameters("new", _COLUMNS, map(itemgetter(*_COLUMNS), entries)))
