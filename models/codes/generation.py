"""Generations of codes: how many were asked for, and how many there are already."""

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
from sqlalchemy.dialects.postgresql import insert as insert_or_leave
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import TypeEngine

from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    StoredRow,
    array_parameters,
    new_id,
    rows_affected,
    rows_from_arrays,
    table_of,
)
from models.codes.code import CODES


class CodeGeneration(Base):
    """One request for many codes. Each chunk of them is counted here in the transaction that inserts it."""

    __tablename__ = "code_generations"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    # The caller's request id or else the task's own id, marked by its kind; null where there is neither.
    key: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # What was asked for, for whoever looks into it.
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
_DRAWN = rows_from_arrays("drawn", id=Uuid(), code=Text())
_SAMPLE = rows_from_arrays("sample", code=Text())


def _holder_of(code: ColumnElement[str]) -> ScalarSelect[UUID]:
    # A subquery for each code, not EXISTS: whatever the statistics say, it is one look into the index for each.
    return (
        select(CODES.c.id)
        .where(CODES.c.project.collate(LOOK_UP_COLLATION) == bindparam("project", type_=Text()))
        .where(func.lower(CODES.c.code) == func.lower(code), CODES.c.retired_reason.is_(None))
        .scalar_subquery()
    )


_HELD_OF_SAMPLE = select(func.count(_holder_of(_SAMPLE.c.code))).select_from(_SAMPLE)
_FREE = (
    select(_DRAWN.c.id, _DRAWN.c.code)
    .where(_holder_of(_DRAWN.c.code).is_(None))
    .order_by(_DRAWN.c.position)
    .limit(bindparam("wanted", type_=BigInteger()))
    .subquery("free")
)
_SHARED: dict[str, TypeEngine[Any]] = {
    "project": Text(),
    "voucher_id": Uuid(),
    "created_at": Instant,
    "maximum_redemptions": BigInteger(),
    "expires_at": Instant,
    "customer": Text(),
    "generation_id": Uuid(),
}
# In one order for all, that of `add_codes`: two that want the same codes never wait for each other in a circle.
_INSERT = (
    insert_or_leave(CODES)
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
    # Of an INSERT it is not kept otherwise.
    .execution_options(preserve_rowcount=True)
)


def find_generation(session: Session, *, project: str, key: str) -> StoredRow | None:
    """This function will return the generation of this request or delivery, or None."""
    stored = select(GENERATIONS).where(GENERATIONS.c.project == project, GENERATIONS.c.key == key)
    return session.execute(stored).one_or_none()


def add_generation(session: Session, *, values: Mapping[str, Any]) -> StoredRow:
    """This function will insert a generation of which there is nothing yet, and return its row."""
    return session.execute(insert(GENERATIONS).values(**values).returning(*GENERATIONS.c)).one()


def lock_generation(session: Session, *, project: str, id: UUID) -> StoredRow:  # noqa: A002 - the column's name
    """This function will lock a generation to the end of the transaction, and return it. Lock its voucher first."""
    row = select(GENERATIONS).where(GENERATIONS.c.project == project, GENERATIONS.c.id == id)
    return session.execute(row.with_for_update(key_share=True)).one()


def count_held(session: Session, *, project: str, codes: Sequence[str]) -> int:
    """This function will return how many of these codes somebody holds."""
    parameters = array_parameters("sample", ("code",), ((code,) for code in codes))
    count: int = session.execute(_HELD_OF_SAMPLE, {"project": project, **parameters}).scalar_one()
    return count


def add_drawn_codes(session: Session, *, codes: Sequence[str], wanted: int, shared: Mapping[str, Any]) -> int:
    """This function will insert the first `wanted` of these codes that nobody holds, and return how many it did.

    `shared` is what all of them have in common. Fewer than wanted go in where somebody took one meanwhile.
    """
    parameters = array_parameters("drawn", ("id", "code"), ((new_id(), code) for code in codes))
    return rows_affected(session.execute(_INSERT, {"wanted": wanted, **shared, **parameters}))


def count_generated(session: Session, *, project: str, id: UUID, added: int, now: datetime) -> StoredRow:  # noqa: A002
    """This function will add to what there is of a locked generation, complete it with the last, and return it."""
    total = GENERATIONS.c.generated + added
    statement = (
        update(GENERATIONS)
        .where(and_(GENERATIONS.c.project == project, GENERATIONS.c.id == id))
        .values(generated=total, completed_at=case((total == GENERATIONS.c.count, literal(now, Instant))))
    )
    return session.execute(statement.returning(*GENERATIONS.c)).one()
