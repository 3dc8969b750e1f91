"""The table of holds: every request to hold a place of a voucher, with the decision and the status."""

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
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.eligibility import STORED
from domain.hold import HoldStatus
from models.append_only import keeping_customer, kept, kept_while_recent
from models.base import (
    LOOK_UP_COLLATION,
    Base,
    Instant,
    array_parameters,
    index_by_time,
    insert_from_arrays,
    one_of,
    rows_from_arrays,
    table_of,
)
from models.redemptions.row_types import AcceptedHoldRow, HoldRow


class Hold(Base):
    """A decided request to hold a place. Every writer, the sweep included, locks the voucher first."""

    __tablename__ = "holds"

    # The key is the caller's request id. The redemption that confirms the hold has the same request id.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # Null if there is no such voucher.
    voucher_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The code that the request names, and its text at that moment, as in `redemptions`.
    code_id: Mapped[UUID | None] = mapped_column(Uuid)
    code: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    # The body of the request without `ttl`. Confirming the hold redeems this body.
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(Text)
    # The instant at which the voucher had to be open. The redemption counts as of this instant too.
    effective_at: Mapped[datetime] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    # Null if the request was refused.
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    status: Mapped[str] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    # The id of the redemption that confirmed the hold. The audit compares the two.
    redemption_id: Mapped[UUID | None] = mapped_column(Uuid)

    # The customer's discount of the voucher on another subscription, which a refusal names.
    other_discount_id: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        # A voucher with holds is not deleted, because confirming a hold redeems the voucher.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("status", HoldStatus), name="status_known"),
        CheckConstraint(one_of("reason", STORED), name="reason_known"),
        CheckConstraint("(status = 'refused') = (reason IS NOT NULL)", name="refused_has_reason"),
        CheckConstraint("(status = 'refused') = (expires_at IS NULL)", name="held_has_end"),
        CheckConstraint("(status IN ('open', 'refused')) = (closed_at IS NULL)", name="closed_whole"),
        CheckConstraint("(status = 'confirmed') = (redemption_id IS NOT NULL)", name="confirmed_has_redemption"),
        CheckConstraint("status = 'refused' OR voucher_id IS NOT NULL", name="held_has_voucher"),
        CheckConstraint("other_discount_id IS NULL OR reason IS NOT NULL", name="refused_has_other_discount"),
        CheckConstraint("effective_at <= created_at", name="effective_not_later"),
        CheckConstraint("expires_at > created_at", name="end_after_beginning"),
        # The id comes first: otherwise the planner might use this index for any look-up by project.
        Index("ix_holds_id", "id", "project"),
        # At most one open hold of a voucher on each subscription.
        Index(
            "uq_holds_open",
            "project",
            "voucher_id",
            "subscription",
            unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        # Each of these indexes states "is open" in other words. Without statistics, the planner could otherwise use an
        # index with the same first columns, and would read all holds of the voucher.
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
        # For lists, which read each status by itself. The condition on the first column keeps the planner from skipping
        # through the index of another owner. That on the id, of which a list has a range, keeps all other queries from
        # using these indexes: without statistics, they would read all holds of a customer or a voucher.
        *(
            Index(
                f"ix_holds_of_{name}",
                column,
                text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
                "status",
                "id",
                postgresql_where=text(f"status <> 'refused' AND id IS NOT NULL AND {column} IS NOT NULL"),
            )
            for name, column in (
                ("customer", "customer"),
                ("subscription", "subscription"),
                ("voucher", "voucher_id"),
            )
        ),
        # For explanations. Neither condition is one of the other indexes.
        *(
            Index(
                f"ix_holds_refused_{owner}",
                owner,
                text('project COLLATE "C"'),
                "id",
                postgresql_where=text(f"reason IS NOT NULL AND {owner} IS NOT NULL"),
            )
            for owner in ("customer", "subscription")
        ),
        # A redemption confirms at most one hold.
        Index(
            "uq_holds_redemption",
            "project",
            "redemption_id",
            unique=True,
            postgresql_where=text("redemption_id IS NOT NULL"),
        ),
    )


HOLDS = keeping_customer(table_of(Hold))
# Refused requests may be pruned. A hold has taken a place, which is counted.
kept(HOLDS, name="keep_holds", condition="NOT (OLD.status = 'refused')", said="holds keeps such a row")
kept_while_recent(HOLDS, column="created_at")
# The same condition as in the indexes `uq_holds_open` and `ix_holds_due`.
IS_OPEN = HOLDS.c.status == text("'open'")
# A new hold was not confirmed.
NEW_COLUMNS = tuple(each.name for each in HOLDS.c if each.name != "redemption_id")
_REQUESTS = rows_from_arrays("requests", project=Text(), request_id=Text())
_CLOSED = rows_from_arrays("closed", project=Text(), id=Uuid(), status=Text(), redemption_id=Uuid())
_STORED = select(HOLDS).join(
    _REQUESTS, and_(HOLDS.c.project == _REQUESTS.c.project, HOLDS.c.request_id == _REQUESTS.c.request_id)
)
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


def find_holds(session: Session, *, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], HoldRow]:
    """Return the decided request for a hold of each (project, request id)."""
    rows = session.execute(_STORED, array_parameters("requests", ("project", "request_id"), set(keys))).all()
    return {(row.project, row.request_id): row for row in rows}


def find_hold(
    session: Session,
    *,
    project: str,
    id: UUID | None,  # noqa: A002 - the column's name
    request_id: str | None,
) -> AcceptedHoldRow | None:
    """Return the hold with that id or, without an id, with that request id, or None. A refused request is no hold."""
    is_named = HOLDS.c.request_id == request_id if id is None else HOLDS.c.id == id
    is_hold = HOLDS.c.status != text("'refused'")
    return session.execute(select(HOLDS).where(HOLDS.c.project == project, is_named, is_hold)).one_or_none()


def add_holds(session: Session, *, rows: Iterable[HoldRow]) -> None:
    """Insert decided requests. Every batch inserts in the same order, so that two batches never deadlock."""
    in_order = sorted(rows, key=attrgetter("project", "request_id"))
    session.execute(_INSERT, array_parameters("new", NEW_COLUMNS, map(attrgetter(*NEW_COLUMNS), in_order)))


def close_holds(
    session: Session, *, closed: Iterable[tuple[str, UUID, HoldStatus, UUID | None]], closed_at: datetime
) -> None:
    """Close holds of locked vouchers. Each is (project, id, new status, id of the redemption that confirmed it)."""
    rows = ((project, id_, status.value, redemption_id) for project, id_, status, redemption_id in closed)
    parameters = array_parameters("closed", ("project", "id", "status", "redemption_id"), rows)
    session.execute(_CLOSE, {**parameters, "closed_at": closed_at})
