"""The table of changes: the history of each voucher, with everything that operators did to it and to its codes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Protocol
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Select,
    Text,
    Uuid,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.value_class import value
from domain.voucher_change import VoucherChangeKind
from models.append_only import append_only
from models.base import (
    Base,
    Instant,
    array_parameters,
    columns_of,
    ids_at,
    index_by_time,
    insert_from_arrays,
    one_of,
    table_of,
)


class VoucherChange(Base):
    """A change of a voucher by an operator. Rows are written once and never changed.

    A sweep or a redemption that retires a voucher adds no row: the voucher itself says why it is retired, and since
    when.
    """

    __tablename__ = "voucher_changes"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # It has the instant of the change, so the ids of a voucher are in the order of the changes.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(Text)
    # The fields that an update changed, as answers show them. Null for an update by an earlier release.
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # How many codes were added, or are to be generated.
    codes: Mapped[int | None] = mapped_column(BigInteger)
    generation_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The code that was retired.
    code_id: Mapped[UUID | None] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        # RESTRICT: the history explains all three.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["project", "generation_id"], ["code_generations.project", "code_generations.id"], ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(["project", "code_id"], ["codes.project", "codes.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("kind", VoucherChangeKind), name="kind_known"),
        CheckConstraint("num_nulls(before, after) IN (0, 2)", name="states_whole"),
        CheckConstraint("before IS NULL OR kind = 'updated'", name="states_of_updates"),
        CheckConstraint("(kind IN ('codes_added', 'codes_generated')) = (codes IS NOT NULL)", name="codes_counted"),
        CheckConstraint("codes >= 1", name="codes_positive"),
        CheckConstraint("(kind = 'codes_generated') = (generation_id IS NOT NULL)", name="generation_named"),
        CheckConstraint("(kind = 'code_retired') = (code_id IS NOT NULL)", name="code_named"),
        # A voucher is created once, and retired by hand at most once.
        Index(
            "uq_voucher_changes_once",
            "project",
            "voucher_id",
            "kind",
            unique=True,
            postgresql_where=text("kind IN ('created', 'retired')"),
        ),
    )


class VoucherChangeRow(Protocol):
    """A row of `voucher_changes` as the history shows it."""

    id: UUID
    kind: str
    actor: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    codes: int | None
    generation_id: UUID | None
    code_id: UUID | None
    created_at: datetime


VOUCHER_CHANGES = append_only(table_of(VoucherChange))
_CONVERTED = ("id", "kind", "before", "after")
_AS_GIVEN = ("project", "voucher_id", "actor", "created_at", "codes", "generation_id", "code_id")
_INSERT = insert_from_arrays(VoucherChange, (*_CONVERTED, *_AS_GIVEN))
_given = attrgetter(*_AS_GIVEN)


@value
class NewChange:
    """A change of a voucher, and who made it at which instant."""

    project: str
    voucher_id: UUID
    kind: VoucherChangeKind
    actor: str | None
    created_at: datetime
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    codes: int | None = None
    generation_id: UUID | None = None
    code_id: UUID | None = None


def add_changes(session: Session, *changes: NewChange) -> None:
    """Add changes of the same instant, in their order, to the histories of vouchers that are new or locked."""
    ids = ids_at(changes[0].created_at)
    rows = (
        (id_, each.kind.value, _json(each.before), _json(each.after), *_given(each))
        for each, id_ in zip(changes, ids, strict=False)
    )
    session.execute(_INSERT, array_parameters("new", (*_CONVERTED, *_AS_GIVEN), rows))


def older_changes(
    session: Session, *, project: str, voucher_id: UUID, than: UUID | None, limit: int
) -> Sequence[VoucherChangeRow]:
    """Return the newest changes of a voucher that are older than the change `than`, or the newest of all."""
    statement = _of_voucher(project=project, voucher_id=voucher_id).order_by(VOUCHER_CHANGES.c.id.desc()).limit(limit)
    return session.execute(statement if than is None else statement.where(VOUCHER_CHANGES.c.id < than)).all()


def newer_changes(
    session: Session, *, project: str, voucher_id: UUID, than: UUID, limit: int
) -> Sequence[VoucherChangeRow]:
    """Return the oldest changes of a voucher that are newer than the change `than`, newest first."""
    statement = _of_voucher(project=project, voucher_id=voucher_id).where(VOUCHER_CHANGES.c.id > than)
    return session.execute(statement.order_by(VOUCHER_CHANGES.c.id).limit(limit)).all()[::-1]


def _of_voucher(*, project: str, voucher_id: UUID) -> Select[tuple[object, ...]]:
    columns = (VOUCHER_CHANGES.c[name] for name in columns_of(VoucherChangeRow))
    return select(*columns).where(VOUCHER_CHANGES.c.project == project, VOUCHER_CHANGES.c.voucher_id == voucher_id)


def _json(value: object) -> str | None:
    return None if value is None else to_json(value).decode()
