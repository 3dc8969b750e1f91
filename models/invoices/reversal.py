"""The tables of reversals: of an invoice, and of each of its ledger entries."""

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
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.reversal import ReversalKind
from models.append_only import append_only
from models.base import (
    Base,
    Instant,
    array_parameters,
    insert_from_arrays,
    one_of,
    table_of,
)
from models.invoices.row_types import InvoiceReversalRow

KIND_KNOWN = one_of("kind", ReversalKind)


class InvoiceReversal(Base):
    """A reversal of an invoice, and the answer to it. Rows are written once and never changed."""

    __tablename__ = "invoice_reversals"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    invoice: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    # For a refund: the refunded minor units of each line, and each discount's share of them. Else empty.
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # RESTRICT: the invoice explains the reversal.
        ForeignKeyConstraint(
            ["project", "invoice"], ["invoice_discounts.project", "invoice_discounts.invoice"], ondelete="RESTRICT"
        ),
        CheckConstraint(KIND_KNOWN, name="kind_known"),
        Index("ix_invoice_reversals_invoice", "project", "invoice"),
        # An invoice is voided, not paid or charged back at most once.
        Index(
            "uq_invoice_reversals_given_back",
            "project",
            "invoice",
            unique=True,
            postgresql_where=text("kind <> 'refunded'"),
        ),
    )


class UsageReversal(Base):
    """The amount by which a reversal reduces a ledger entry. Rows are written once and never changed."""

    __tablename__ = "usage_reversals"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # The discount and the invoice identify the reversed entry.
    discount_id: Mapped[UUID] = mapped_column(Uuid)
    invoice: Mapped[str] = mapped_column(Text)
    reversal_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    # At most 0. The share of a small refund can be 0.
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    # Whether this refund completes the refund of all lines that the discount applied to.
    is_in_full: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # RESTRICT: the entry and the reversal explain this row.
        ForeignKeyConstraint(
            ["project", "discount_id", "invoice"],
            ["usage_entries.project", "usage_entries.discount_id", "usage_entries.invoice"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["project", "reversal_id"], ["invoice_reversals.project", "invoice_reversals.id"], ondelete="RESTRICT"
        ),
        CheckConstraint(KIND_KNOWN, name="kind_known"),
        CheckConstraint("amount_minor <= 0", name="amount_not_positive"),
        Index("ix_usage_reversals_entry", "project", "discount_id", "invoice"),
        # An entry is given back at most once.
        Index(
            "uq_usage_reversals_given_back",
            "project",
            "discount_id",
            "invoice",
            unique=True,
            postgresql_where=text("kind <> 'refunded'"),
        ),
    )


INVOICE_REVERSALS = append_only(table_of(InvoiceReversal))
USAGE_REVERSALS = append_only(table_of(UsageReversal))
_COLUMNS = tuple(column.name for column in USAGE_REVERSALS.c)

_INSERT = insert_from_arrays(UsageReversal, _COLUMNS)


def find_reversals(session: Session, *, project: str, invoice: str) -> Sequence[InvoiceReversalRow]:
    """Return the reversals of an invoice, without their answers.

    Call it after locking the subscription, so that the statement sees the reversals that the lock waited for.
    """
    columns = INVOICE_REVERSALS.c
    shown = (columns.project, columns.id, columns.kind, columns.lines)
    return session.execute(select(*shown).where(columns.project == project, columns.invoice == invoice)).all()


def find_reversal_answer(session: Session, *, project: str, id: UUID) -> dict[str, Any]:  # noqa: A002 - the column's name
    """Return the answer to a reversal. Raises NoResultFound if there is no such reversal."""
    columns = INVOICE_REVERSALS.c
    answer: dict[str, Any]
    answer = session.execute(select(columns.answer).where(columns.project == project, columns.id == id)).scalar_one()
    return answer


def add_reversal(session: Session, *, values: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> None:
    """Add a reversal and its entries.

    A unique violation means that another transaction has reversed the whole invoice.
    """
    session.execute(insert(INVOICE_REVERSALS).values(**values))
    session.execute(_INSERT, array_parameters("new", _COLUMNS, map(itemgetter(*_COLUMNS), entries)))
