"""The table of imported discounts: what each had done in another system. Rows are written once and never changed."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    Uuid,
    and_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.recurrence import Progress
from models.append_only import append_only
from models.base import (
    Base,
    Instant,
    array_parameters,
    columns_of,
    index_by_time,
    insert_from_arrays,
    one_of,
    rows_from_arrays,
    table_of,
)
from models.discounts.discount import DiscountStatus
from models.discounts.locks import DiscountKey


class ImportedDiscount(Base):
    """A discount of another system, as it came. The amounts and cycles of invoices here are in the ledger alone."""

    __tablename__ = "imported_discounts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    discount_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # The id that the discount had there.
    ref: Mapped[str] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(Text)
    # The cycles are those of this subscription. Later, the discount may be moved.
    subscription: Mapped[str] = mapped_column(Text)
    cycles: Mapped[int] = mapped_column(Integer)
    first_cycle_start: Mapped[date | None] = mapped_column(Date)
    last_cycle_start: Mapped[date | None] = mapped_column(Date)
    last_cycle_end: Mapped[date | None] = mapped_column(Date)
    # Minor units by currency.
    taken_minor: Mapped[dict[str, int]] = mapped_column(JSONB)
    # As they were when the discount came, for the answer to a repetition.
    status: Mapped[str] = mapped_column(Text)
    ends_on: Mapped[date | None] = mapped_column(Date)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        Index("uq_imported_discounts_ref", "project", "ref", unique=True),
        # A discount that was imported is not deleted, because the row explains it.
        ForeignKeyConstraint(["project", "discount_id"], ["discounts.project", "discounts.id"], ondelete="RESTRICT"),
        CheckConstraint("cycles >= 0", name="cycles_not_negative"),
        CheckConstraint(
            "num_nonnulls(first_cycle_start, last_cycle_start, last_cycle_end) = "
            "CASE WHEN cycles > 0 THEN 3 ELSE 0 END",
            name="cycles_with_dates",
        ),
        CheckConstraint("(cycles = 1) = (first_cycle_start = last_cycle_start)", name="one_cycle_if_the_same"),
        CheckConstraint("first_cycle_start <= last_cycle_start", name="cycles_in_order"),
        CheckConstraint("last_cycle_start < last_cycle_end", name="last_cycle_not_empty"),
        CheckConstraint("jsonb_typeof(taken_minor) = 'object'", name="taken_by_currency"),
        CheckConstraint(one_of("status", (DiscountStatus.RUNNING, DiscountStatus.COMPLETED)), name="status_known"),
    )


class ImportedDiscountRow(Protocol):
    """A row of `imported_discounts`."""

    project: str
    discount_id: UUID
    ref: str
    actor: str | None
    subscription: str
    cycles: int
    first_cycle_start: date | None
    last_cycle_start: date | None
    last_cycle_end: date | None
    taken_minor: dict[str, int]
    status: str
    ends_on: date | None
    created_at: datetime


IMPORTED_DISCOUNTS = append_only(table_of(ImportedDiscount))
_COLUMNS = columns_of(ImportedDiscountRow)
_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_FIND = select(IMPORTED_DISCOUNTS).join(
    _KEYS, and_(IMPORTED_DISCOUNTS.c.project == _KEYS.c.project, IMPORTED_DISCOUNTS.c.discount_id == _KEYS.c.id)
)
_ADD = insert_from_arrays(ImportedDiscount, _COLUMNS)


def add_imported(session: Session, *, rows: Iterable[ImportedDiscountRow]) -> None:
    """Insert what new discounts had done elsewhere."""
    values = [[getattr(row, name) for name in _COLUMNS] for row in rows]
    parameters = array_parameters("new", _COLUMNS, values)
    # An array of JSON is sent as texts.
    parameters["new_taken_minor"] = [to_json(each).decode() for each in parameters["new_taken_minor"]]
    session.execute(_ADD, parameters)


def find_imported(session: Session, *, keys: Iterable[DiscountKey]) -> dict[DiscountKey, ImportedDiscountRow]:
    """Return what each imported discount had done elsewhere. Without keys, send no statement."""
    wanted = set(keys)
    if not wanted:
        return {}
    rows: Sequence[ImportedDiscountRow] = session.execute(
        _FIND, array_parameters("keys", ("project", "id"), wanted)
    ).all()
    return {(row.project, row.discount_id): row for row in rows}


def progress_before(row: ImportedDiscountRow | None) -> Progress:
    """Return the progress that a discount came with, without an end of the window. None was not imported."""
    if row is None:
        return Progress()
    return Progress(
        first_start=row.first_cycle_start,
        last_start=row.last_cycle_start,
        cycles=row.cycles,
        last_end=row.last_cycle_end,
    )
