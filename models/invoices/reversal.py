"""The tables of reversals: of an invoice, and of each of its ledger entries. A credit is a reversal too."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from pydantic_core import to_json
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
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import append_only
from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    array_parameters,
    columns_of,
    index_by_time,
    insert_from_arrays,
    rows_from_arrays,
    table_of,
)
from models.invoices.ledger import InvoiceKey
from models.invoices.row_types import InvoiceReversalRow
from models.reversal_kinds import CREDITED_BY_IF_CREDIT, GIVES_BACK, KIND_KNOWN


class InvoiceReversal(Base):
    """A reversal of an invoice. Rows are written once and never changed.

    A credit is a row for each credit line, and another if the crediting invoice is reversed, with negative amounts.
    """

    __tablename__ = "invoice_reversals"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    invoice: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    # For a refund or a credit: the minor units of each line, and each discount's share of them. Else empty.
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    # The answer to `billing.reverse`. The answer to a credit is that to the crediting invoice.
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Instant)
    # The crediting invoice.
    credited_by: Mapped[str | None] = mapped_column(Text)
    # Who asked for the reversal. A credit comes with an invoice, so it has no actor.
    actor: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        # RESTRICT: the invoice explains the reversal.
        ForeignKeyConstraint(
            ["project", "invoice"], ["invoice_discounts.project", "invoice_discounts.invoice"], ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(
            ["project", "credited_by"], ["invoice_discounts.project", "invoice_discounts.invoice"], ondelete="RESTRICT"
        ),
        CheckConstraint(KIND_KNOWN, name="kind_known"),
        CheckConstraint(CREDITED_BY_IF_CREDIT, name="credited_by_if_credit"),
        CheckConstraint("(answer IS NULL) = (credited_by IS NOT NULL)", name="answer_unless_credit"),
        CheckConstraint("actor IS NULL OR credited_by IS NULL", name="actor_unless_credit"),
        Index("ix_invoice_reversals_invoice", "project", "invoice"),
        # For lists. The subscription and the customer are those of the answer, which credits do not have.
        *(
            Index(
                f"ix_invoice_reversals_{name}",
                text(f"(answer ->> '{name}')"),
                text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
                "kind",
                "id",
                postgresql_where=text(f"(answer ->> '{name}') IS NOT NULL"),
            )
            for name in ("subscription", "customer")
        ),
        # An invoice is voided, not paid or charged back at most once.
        Index(
            "uq_invoice_reversals_given_back",
            "project",
            "invoice",
            unique=True,
            postgresql_where=text(GIVES_BACK),
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
    # At most 0, and at least 0 if a credit is reversed. The share of a small refund can be 0.
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    # Whether this refund completes the refund of all lines that the discount applied to.
    is_in_full: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # A copy of the reversal's column.
    credited_by: Mapped[str | None] = mapped_column(Text)

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
        CheckConstraint(CREDITED_BY_IF_CREDIT, name="credited_by_if_credit"),
        CheckConstraint(
            "CASE WHEN kind = 'credit_reversed' THEN amount_minor >= 0 ELSE amount_minor <= 0 END", name="amount_signed"
        ),
        Index("ix_usage_reversals_entry", "project", "discount_id", "invoice"),
        # For reports, and for the audit of what changed.
        index_by_time("created_at"),
        # An entry is given back at most once.
        Index(
            "uq_usage_reversals_given_back",
            "project",
            "discount_id",
            "invoice",
            unique=True,
            postgresql_where=text(GIVES_BACK),
        ),
    )


INVOICE_REVERSALS = append_only(table_of(InvoiceReversal))
USAGE_REVERSALS = append_only(table_of(UsageReversal))
_REVERSAL_COLUMNS = tuple(column.name for column in INVOICE_REVERSALS.c)
_ENTRY_COLUMNS = tuple(column.name for column in USAGE_REVERSALS.c)

_INVOICES = rows_from_arrays("invoices", project=Text(), invoice=Text())
_FIND = (
    select(*(INVOICE_REVERSALS.c[name] for name in columns_of(InvoiceReversalRow)))
    .join(
        _INVOICES,
        and_(INVOICE_REVERSALS.c.project == _INVOICES.c.project, INVOICE_REVERSALS.c.invoice == _INVOICES.c.invoice),
    )
    .order_by(INVOICE_REVERSALS.c.created_at, INVOICE_REVERSALS.c.id)
)
_INSERT_REVERSALS = insert_from_arrays(InvoiceReversal, _REVERSAL_COLUMNS)
_INSERT_ENTRIES = insert_from_arrays(UsageReversal, _ENTRY_COLUMNS)


def find_reversals(
    session: Session, *, keys: Iterable[InvoiceKey]
) -> defaultdict[InvoiceKey, list[InvoiceReversalRow]]:
    """Return the reversals of each (project, invoice), the oldest first, without their answers.

    Call it after locking the subscriptions, so that the statement sees the reversals that the lock waited for.
    """
    found: defaultdict[InvoiceKey, list[InvoiceReversalRow]] = defaultdict(list)
    for row in session.execute(_FIND, array_parameters("invoices", ("project", "invoice"), set(keys))).all():
        found[row.project, row.invoice].append(row)
    return found


def find_reversal_answer(session: Session, *, project: str, id: UUID) -> dict[str, Any]:  # noqa: A002 - the column's name
    """Return the answer to a reversal. Raises NoResultFound if there is no such reversal."""
    columns = INVOICE_REVERSALS.c
    answer: dict[str, Any]
    answer = session.execute(select(columns.answer).where(columns.project == project, columns.id == id)).scalar_one()
    return answer


def add_reversals(
    session: Session, *, reversals: Iterable[Mapping[str, Any]], entries: Iterable[Mapping[str, Any]]
) -> None:
    """Add reversals and their entries. A reversal without an actor was asked for by nobody that is known.

    A unique violation means that another transaction has reversed the whole invoice.
    """
    rows = (
        {"actor": None, **each, "lines": _json(each["lines"]), "answer": _json(each["answer"])} for each in reversals
    )
    for statement, columns, added in (
        (_INSERT_REVERSALS, _REVERSAL_COLUMNS, rows),
        (_INSERT_ENTRIES, _ENTRY_COLUMNS, entries),
    ):
        session.execute(statement, array_parameters("new", columns, map(itemgetter(*columns), added)))


def _json(value: object) -> str | None:
    return None if value is None else to_json(value).decode()
