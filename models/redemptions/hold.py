"""Holds: places of vouchers that are kept for a while, and every request for one with its decision."""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.eligibility import Refusal
from domain.hold import HoldStatus
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

HoldKey = tuple[str, UUID]


class Hold(Base):
    """One decided request to hold a place. Whoever writes it holds its voucher's lock, the sweep too."""

    __tablename__ = "holds"

    # The caller's id is the key, in a space of its own: the redemption that confirms the hold has the same one.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # Null where no such voucher was found.
    voucher_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The code that was named, and its text, as with a redemption.
    code_id: Mapped[UUID | None] = mapped_column(Uuid)
    code: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    # The redemption that is asked for, as it was sent: what confirming it needs.
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(Text)
    # The instant at which the voucher had to be open: its redemption is of that instant too.
    effective_at: Mapped[datetime] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # Null where nothing is held.
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    status: Mapped[str] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    # The identity of the redemption that confirmed it; the audit compares them.
    redemption_id: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        # What places were held for is not deleted: their redemptions are granted for it.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("status", HoldStatus), name="status_known"),
        CheckConstraint(one_of("reason", Refusal), name="reason_known"),
        CheckConstraint("reason NOT IN ('idempotency_conflict', 'fully_reserved')", name="reason_stored"),
        CheckConstraint("(status = 'refused') = (reason IS NOT NULL)", name="refused_has_reason"),
        CheckConstraint("(status = 'refused') = (expires_at IS NULL)", name="held_has_end"),
        CheckConstraint("(status IN ('open', 'refused')) = (closed_at IS NULL)", name="closed_whole"),
        CheckConstraint("(status = 'confirmed') = (redemption_id IS NOT NULL)", name="confirmed_has_redemption"),
        CheckConstraint("status = 'refused' OR voucher_id IS NOT NULL", name="held_has_voucher"),
        CheckConstraint("effective_at <= created_at", name="effective_not_later"),
        CheckConstraint("expires_at > created_at", name="end_after_beginning"),
        # Not the project first: it would look as good for all that is looked up within a project.
        Index("ix_holds_id", "id", "project"),
        # A voucher is held once for a subscription at a time.
        Index(
            "uq_holds_open",
            "project",
            "voucher_id",
            "subscription",
            unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        # Each says in other words what is open: while the table's statistics are not known, one that begins alike would
        # look as good, and all that is held of the voucher would be read.
        Index(
            "ix_holds_customer",
            "project",
            "voucher_id",
            "customer",
            postgresql_where=text("closed_at IS NULL AND reason IS NULL"),
        ),
        Index(
            "ix_holds_lapsing",
            "project",
            "voucher_id",
            "expires_at",
            postgresql_where=text("closed_at IS NULL AND expires_at IS NOT NULL"),
        ),
        Index(
            "ix_holds_code",
            "project",
            "code_id",
            "expires_at",
            postgresql_where=text("closed_at IS NULL AND code_id IS NOT NULL"),
        ),
        Index("ix_holds_due", "expires_at", "id", postgresql_where=text("status = 'open'")),
        # A redemption takes one place.
        Index(
            "uq_holds_redemption",
            "project",
            "redemption_id",
            unique=True,
            postgresql_where=text("redemption_id IS NOT NULL"),
        ),
    )


HOLDS = table_of(Hold)
# In the words of the indexes of open holds.
IS_OPEN = HOLDS.c.status == text("'open'")
NEW_COLUMNS = (
    "project",
    "request_id",
    "id",
    "fingerprint",
    "voucher_id",
    "code_id",
    "code",
    "customer",
    "subscription",
    "request",
    "reason",
    "effective_at",
    "created_at",
    "expires_at",
    "status",
    "closed_at",
)
_REQUESTS = rows_from_arrays("requests", project=Text(), request_id=Text())
_CLOSED = rows_from_arrays("closed", project=Text(), id=Uuid(), status=Text(), redemption_id=Uuid())
_VOUCHERS = rows_from_arrays("vouchers", id=Uuid())
_STORED = select(HOLDS).join(
    _REQUESTS, and_(HOLDS.c.project == _REQUESTS.c.project, HOLDS.c.request_id == _REQUESTS.c.request_id)
)
# One look into the index of open holds for each voucher.
_HELD_FOR = (
    select(HOLDS.c.id)
    .where(HOLDS.c.project == bindparam("project"), HOLDS.c.voucher_id == _VOUCHERS.c.id)
    .where(HOLDS.c.subscription == bindparam("subscription"), IS_OPEN)
    .where(HOLDS.c.expires_at > bindparam("now", type_=Instant))
    .offset(literal_column("0"))
    .correlate(_VOUCHERS)
    .lateral("held_for")
)
_HELD_VOUCHERS = select(_VOUCHERS.c.id).select_from(_VOUCHERS.join(_HELD_FOR, true()))
_CLOSE = (
    update(HOLDS)
    .where(HOLDS.c.project == _CLOSED.c.project, HOLDS.c.id == _CLOSED.c.id)
    .values(
        status=_CLOSED.c.status,
        closed_at=bindparam("closed_at", type_=Instant),
        redemption_id=_CLOSED.c.redemption_id,
    )
)
_INSERT = insert_from_arrays(Hold, NEW_COLUMNS)


def find_holds(session: Session, *, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], StoredRow]:
    """This function will return what was decided for each (project, request id of a hold)."""
    rows = session.execute(_STORED, array_parameters("requests", ("project", "request_id"), set(keys))).all()
    return {(row.project, row.request_id): row for row in rows}


def find_hold(
    session: Session,
    *,
    project: str,
    id: UUID | None,  # noqa: A002 - the column's name
    request_id: str | None,
) -> StoredRow | None:
    """This function will return the hold with that id, or else with that request id, or None where none is."""
    named = HOLDS.c.request_id == request_id if id is None else HOLDS.c.id == id
    is_one = HOLDS.c.status != text("'refused'")
    return session.execute(select(HOLDS).where(HOLDS.c.project == project, named, is_one)).one_or_none()


def find_held_vouchers(
    session: Session, *, project: str, subscription: str, vouchers: Iterable[UUID], now: datetime
) -> set[UUID]:
    """This function will return which of those vouchers are held for a locked subscription, and have not lapsed."""
    parameters = array_parameters("vouchers", ("id",), [(each,) for each in set(vouchers)])
    place = {"project": project, "subscription": subscription, "now": now}
    return set(session.execute(_HELD_VOUCHERS, {**parameters, **place}).scalars())


def add_holds(session: Session, *, rows: Iterable[object]) -> None:
    """This function will insert decided requests, in one order for all, so that two batches never deadlock."""
    in_order = sorted(rows, key=attrgetter("project", "request_id"))
    session.execute(_INSERT, array_parameters("new", NEW_COLUMNS, map(attrgetter(*NEW_COLUMNS), in_order)))


def close_holds(
    session: Session, *, closed: Iterable[tuple[str, UUID, HoldStatus, UUID | None]], closed_at: datetime
) -> None:
    """This function will end holds of locked vouchers, each as what it is then, with the redemption of a confirmed."""
    rows = ((project, id_, status.value, redemption_id) for project, id_, status, redemption_id in closed)
    parameters = array_parameters("closed", ("project", "id", "status", "redemption_id"), rows)
    session.execute(_CLOSE, {**parameters, "closed_at": closed_at})
