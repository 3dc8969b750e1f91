"""The table of generations: how many codes each request wants, and how many exist already."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    ScalarSelect,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import TypeEngine

from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    array_parameters,
    new_id,
    rows_affected,
    rows_from_arrays,
    table_of,
)
from models.codes.code import CODES
from models.codes.row_types import GenerationRow


class CodeGeneration(Base):
    """A request for many codes. The transaction that inserts a chunk of codes counts them here."""

    __tablename__ = "code_generations"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    # The caller's request id or the id of the task's message, with a prefix for the kind; null without both.
    key: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # The request as it was sent, for operators. No query reads this column.
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    count: Mapped[int] = mapped_column(BigInteger)
    generated: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint("count BETWEEN 1 AND 1000000", name="count_in_range"),
        CheckConstraint("generated BETWEEN 0 AND count", name="generated_in_range"),
        CheckConstraint("(generated = count) = (completed_at IS NOT NULL)", name="completed_when_all_are_there"),
        Index(
            "uq_code_generations_key",
            "project",
            "key",
            unique=True,
            postgresql_where=text("key IS NOT NULL"),
        ),
    )


GENERATIONS = table_of(CodeGeneration)
# Every row has a method `count`, so the column of that name is renamed.
_COLUMNS = (*(each for each in GENERATIONS.c if each.name != "count"), GENERATIONS.c.count.label("requested"))
_DRAWN = rows_from_arrays("drawn", id=Uuid(), code=Text())
_SAMPLE = rows_from_arrays("sample", code=Text())


def _id_of_available(code: ColumnElement[str]) -> ScalarSelect[UUID]:
    # A scalar subquery for each code, not EXISTS, is always planned as an index scan for each code.
    return (
        select(CODES.c.id)
        .where(CODES.c.project.collate(LOOK_UP_COLLATION) == bindparam("project", type_=Text()))
        .where(func.lower(CODES.c.code) == func.lower(code), CODES.c.retired_reason.is_(None))
        .scalar_subquery()
    )


_COUNT_TAKEN = select(func.count(_id_of_available(_SAMPLE.c.code))).select_from(_SAMPLE)
_FREE = (
    select(_DRAWN.c.id, _DRAWN.c.code)
    .where(_id_of_available(_DRAWN.c.code).is_(None))
    .order_by(_DRAWN.c.position)
    .limit(bindparam("wanted", type_=BigInteger()))
    .subquery("free")
)
_SHARED: dict[str, TypeEngine[Any]] = {
    "project": Text(),
    "voucher_id": Uuid(),
    "created_at": Instant,
    "maximum_redemptions": BigInteger(),
    "maximum_redemptions_per_customer": BigInteger(),
    "expires_at": Instant,
    "customer": Text(),
    "generation_id": Uuid(),
}
# The codes are inserted in the same order as in `add_codes`, so that two transactions with the same codes never
# deadlock.
_INSERT = (
    insert_or_skip(CODES)
    .from_select(
        ["id", "code", "is_primary", *_SHARED],
        select(
            _FREE.c.id,
            _FREE.c.code,
            false(),
            *(bindparam(name, type_=type_).cast(type_) for name, type_ in _SHARED.items()),
        ).order_by(func.lower(_FREE.c.code).collate("C")),
    )
    .on_conflict_do_nothing(
        index_elements=[CODES.c.project.collate(LOOK_UP_COLLATION), func.lower(CODES.c.code)],
        index_where=CODES.c.retired_reason.is_(None),
    )
    # Without this option, SQLAlchemy does not keep the row count of an INSERT.
    .execution_options(preserve_rowcount=True)
)


def find_generation(session: Session, *, project: str, key: str) -> GenerationRow | None:
    """Return the generation of a request or delivery, or None."""
    stored = select(*_COLUMNS).where(GENERATIONS.c.project == project, GENERATIONS.c.key == key)
    return session.execute(stored).one_or_none()


def find_generation_by_id(session: Session, *, project: str, id: UUID) -> GenerationRow | None:  # noqa: A002 - the column's name
    """Return the generation with the id, or None."""
    stored = select(*_COLUMNS).where(GENERATIONS.c.project == project, GENERATIONS.c.id == id)
    return session.execute(stored).one_or_none()


def add_generation(session: Session, *, values: Mapping[str, Any]) -> GenerationRow:
    """Insert a generation without any codes yet, and return the row."""
    return session.execute(insert(GENERATIONS).values(**values).returning(*_COLUMNS)).one()


def lock_generation(session: Session, *, project: str, id: UUID) -> GenerationRow:  # noqa: A002 - the column's name
    """Lock a generation until the end of the transaction, and return the row. Lock the voucher first."""
    row = select(*_COLUMNS).where(GENERATIONS.c.project == project, GENERATIONS.c.id == id)
    return session.execute(row.with_for_update(key_share=True)).one()


def count_taken(session: Session, *, project: str, codes: Sequence[str]) -> int:
    """Return how many of the texts belong to available codes of the project."""
    parameters = array_parameters("sample", ("code",), ((code,) for code in codes))
    count: int = session.execute(_COUNT_TAKEN, {"project": project, **parameters}).scalar_one()
    return count


def add_drawn_codes(session: Session, *, codes: Sequence[str], wanted: int, shared: Mapping[str, Any]) -> int:
    """Insert the first `wanted` codes whose texts are free, and return how many were inserted.

    `shared` has the columns that are equal in all of them. The result is less than `wanted` if too few texts are free,
    or if another transaction has just taken some of them.
    """
    parameters = array_parameters("drawn", ("id", "code"), ((new_id(), code) for code in codes))
    return rows_affected(session.execute(_INSERT, {"wanted": wanted, **shared, **parameters}))


def count_generated(
    session: Session,
    *,
    project: str,
    id: UUID,  # noqa: A002 - the column's name
    added: int,
    now: datetime,
) -> GenerationRow:
    """Add to the number of codes of a locked generation, complete it after the last code, and return the row."""
    total = GENERATIONS.c.generated + added
    statement = (
        update(GENERATIONS)
        .where(and_(GENERATIONS.c.project == project, GENERATIONS.c.id == id))
        .values(generated=total, completed_at=case((total == GENERATIONS.c.count, literal(now, Instant))))
    )
    return session.execute(statement.returning(*_COLUMNS)).one()
