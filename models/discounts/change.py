"""The table of changes: the history of each discount that an operator moved, extended or ended."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Integer,
    ScalarSelect,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.discount_change import ChangeKind
from domain.value_class import value
from models.append_only import append_only
from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    array_parameters,
    index_by_time,
    one_of,
    rows_from_arrays,
    table_of,
)
from models.discounts.locks import DiscountKey
from models.discounts.progress import DiscountState
from models.discounts.row_types import DiscountRow, RecurrenceRow


class DiscountChange(Base):
    """A change of a discount by an operator, with both states. Rows are written once and never changed."""

    __tablename__ = "discount_changes"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    discount_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # 1, 2, 3 …, in the order of the changes.
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    from_subscription: Mapped[str | None] = mapped_column(Text)
    to_subscription: Mapped[str | None] = mapped_column(Text)
    # Months or cycles, as the discount counts.
    from_duration: Mapped[int | None] = mapped_column(Integer)
    to_duration: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        # A discount with a history is not deleted, because the history explains it.
        ForeignKeyConstraint(["project", "discount_id"], ["discounts.project", "discounts.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("kind", ChangeKind), name="kind_known"),
        CheckConstraint(
            "num_nonnulls(from_subscription, to_subscription) = CASE kind WHEN 'moved' THEN 2 ELSE 0 END",
            name="moved_has_subscriptions",
        ),
        CheckConstraint("from_subscription <> to_subscription", name="moved_elsewhere"),
        CheckConstraint(
            "num_nonnulls(from_duration, to_duration) = CASE kind WHEN 'extended' THEN 2 ELSE 0 END",
            name="extended_has_durations",
        ),
        CheckConstraint("from_duration < to_duration", name="extended_longer"),
        # For the redemptions of a subscription whose discounts were moved elsewhere.
        Index(
            "ix_discount_changes_from_subscription",
            "from_subscription",
            text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
            postgresql_where=text("from_subscription IS NOT NULL"),
        ),
        # A discount is ended at most once.
        Index(
            "uq_discount_changes_ended",
            "project",
            "discount_id",
            unique=True,
            postgresql_where=text("kind = 'ended'"),
        ),
    )


DISCOUNT_CHANGES = append_only(table_of(DiscountChange))
_ENDED = rows_from_arrays("ended", project=Text(), id=Uuid())


def _next_number(*, project: ColumnElement[str], discount_id: ColumnElement[UUID]) -> ScalarSelect[int]:
    return (
        select(func.coalesce(func.max(DISCOUNT_CHANGES.c.number), literal_column("0")) + literal_column("1"))
        .where(DISCOUNT_CHANGES.c.project == project, DISCOUNT_CHANGES.c.discount_id == discount_id)
        .scalar_subquery()
    )


_ADDED = (
    "project",
    "discount_id",
    "kind",
    "actor",
    "note",
    "from_subscription",
    "to_subscription",
    "from_duration",
    "to_duration",
    "created_at",
)
_ADD = insert(DISCOUNT_CHANGES).values(
    number=_next_number(project=bindparam("project", type_=Text()), discount_id=bindparam("discount_id", type_=Uuid())),
    **{name: bindparam(name, type_=DISCOUNT_CHANGES.c[name].type) for name in _ADDED},
)
_ADD_ENDS = insert(DISCOUNT_CHANGES).from_select(
    ["project", "discount_id", "number", "kind", "actor", "created_at"],
    select(
        _ENDED.c.project,
        _ENDED.c.id,
        _next_number(project=_ENDED.c.project, discount_id=_ENDED.c.id),
        text(f"'{ChangeKind.ENDED.value}'"),
        bindparam("actor", type_=Text()).cast(Text()),
        bindparam("at", type_=Instant).cast(Instant),
    ),
)
_MOVE = text("""
    UPDATE discounts
    SET subscription = :to_subscription, status = 'running', completed_at = NULL, updated_at = :created_at
    WHERE project = :project AND id = :discount_id
""")
_EXTEND = text("""
    UPDATE discounts
    SET duration_in_months = CASE WHEN duration_in_months IS NOT NULL THEN CAST(:to_duration AS integer) END,
        duration_in_cycles = CASE WHEN duration_in_cycles IS NOT NULL THEN CAST(:to_duration AS integer) END,
        ends_on = :ends_on, status = :status, updated_at = :created_at,
        completed_at = CASE
            WHEN :status = 'running' THEN NULL
            WHEN status = 'running' THEN :created_at
            ELSE completed_at
        END
    WHERE project = :project AND id = :discount_id
""")


@value
class Signature:
    """Who changed a discount, why, and when."""

    actor: str | None
    note: str | None
    at: datetime


def move_discount(session: Session, row: DiscountRow, *, to_subscription: str, signed: Signature) -> None:
    """Move a locked discount to another locked subscription, where it runs, and add the move to its history."""
    change = {"from_subscription": row.subscription, "to_subscription": to_subscription}
    session.execute(_MOVE, _add(session, row, kind=ChangeKind.MOVED, change=change, signed=signed))


def extend_discount(
    session: Session, row: DiscountRow, *, to_duration: int, state: DiscountState, signed: Signature
) -> None:
    """Extend a locked discount to a number of months or cycles, and add the extension to its history.

    `state` is the state of the discount afterwards.
    """
    change = {"from_duration": duration_of(row), "to_duration": to_duration}
    changed = _add(session, row, kind=ChangeKind.EXTENDED, change=change, signed=signed)
    session.execute(_EXTEND, {**changed, "ends_on": state.progress.ends_on, "status": state.status.value})


def add_ends(session: Session, *, keys: Iterable[DiscountKey], actor: str | None, at: datetime) -> None:
    """Add the end to the history of each locked discount, which has no end there yet."""
    parameters = array_parameters("ended", ("project", "id"), set(keys))
    session.execute(_ADD_ENDS, {**parameters, "actor": actor, "at": at})


def duration_of(row: RecurrenceRow) -> int | None:
    """Return the months or the cycles that a discount lasts, or None if it counts neither."""
    return row.duration_in_cycles if row.duration_in_months is None else row.duration_in_months


def _add(
    session: Session, row: DiscountRow, *, kind: ChangeKind, change: dict[str, Any], signed: Signature
) -> dict[str, Any]:
    values = {
        **dict.fromkeys(_ADDED),
        "project": row.project,
        "discount_id": row.id,
        "kind": kind.value,
        "actor": signed.actor,
        "note": signed.note,
        "created_at": signed.at,
        **change,
    }
    session.execute(_ADD, values)
    return values
