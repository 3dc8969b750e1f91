"""Redemptions: every request that was decided, with its decision. Rows are written once and never changed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.eligibility import Refusal
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
from models.discount import DISCOUNTS


class Redemption(Base):
    """One decided request. Accepted ones carry a number, refused ones a reason."""

    __tablename__ = "redemptions"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # Null where no such voucher was found.
    voucher_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The voucher's code as it was shown then; what the caller sent where no voucher was found.
    code: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    redemption_number: Mapped[int | None] = mapped_column(BigInteger)
    # The instant at which the voucher had to be open: the request's own, or the decision's.
    effective_at: Mapped[datetime] = mapped_column(Instant)
    decided_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        UniqueConstraint("project", "request_id"),
        # The proof that a limit held: 1, 2, 3 … for each voucher.
        UniqueConstraint("project", "voucher_id", "redemption_number"),
        # A voucher that was redeemed is not deleted: its redemptions would lose what they were granted for.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        CheckConstraint(one_of("reason", Refusal), name="reason_known"),
        CheckConstraint("reason <> 'idempotency_conflict'", name="conflict_not_stored"),
        CheckConstraint("(reason IS NULL) = (redemption_number IS NOT NULL)", name="accepted_has_number"),
        CheckConstraint("reason IS NOT NULL OR voucher_id IS NOT NULL", name="accepted_has_voucher"),
        CheckConstraint("redemption_number >= 1", name="number_positive"),
        CheckConstraint("effective_at <= decided_at", name="effective_not_later"),
        Index(
            "ix_redemptions_customer",
            "project",
            "voucher_id",
            "customer",
            postgresql_where=text("reason IS NULL"),
        ),
    )


REDEMPTIONS = table_of(Redemption)
COLUMNS = (
    "project",
    "id",
    "request_id",
    "fingerprint",
    "voucher_id",
    "code",
    "customer",
    "subscription",
    "reason",
    "redemption_number",
    "effective_at",
    "decided_at",
)
_REQUESTS = rows_from_arrays("requests", project=Text(), request_id=Text())
_CUSTOMERS = rows_from_arrays("customers", project=Text(), voucher_id=Uuid(), customer=Text())

_STORED = (
    select(*REDEMPTIONS.c, DISCOUNTS.c.id.label("discount_id"))
    .join(
        _REQUESTS,
        and_(REDEMPTIONS.c.project == _REQUESTS.c.project, REDEMPTIONS.c.request_id == _REQUESTS.c.request_id),
    )
    .outerjoin(
        DISCOUNTS,
        and_(DISCOUNTS.c.project == REDEMPTIONS.c.project, DISCOUNTS.c.redemption_id == REDEMPTIONS.c.id),
    )
)
_BY_CUSTOMER = (
    select(*_CUSTOMERS.c, func.count().label("redemptions"))
    .join(
        REDEMPTIONS,
        and_(
            REDEMPTIONS.c.project == _CUSTOMERS.c.project,
            REDEMPTIONS.c.voucher_id == _CUSTOMERS.c.voucher_id,
            REDEMPTIONS.c.customer == _CUSTOMERS.c.customer,
            REDEMPTIONS.c.reason.is_(None),
        ),
    )
    .group_by(*_CUSTOMERS.c)
)
_INSERT = insert_from_arrays(Redemption, COLUMNS)


def find_redemptions(session: Session, *, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], StoredRow]:
    """This function will return what was decided for each (project, request id), with the discount that it gave."""
    rows = session.execute(_STORED, array_parameters("requests", ("project", "request_id"), set(keys)))
    return {(row.project, row.request_id): row for row in rows}


def count_by_customer(session: Session, *, keys: Iterable[tuple[str, UUID, str]]) -> dict[tuple[str, UUID, str], int]:
    """This function will count the accepted redemptions of each (project, voucher, customer) that has any.

    Take it in a statement of its own after the vouchers' locks: a statement that waits for a lock inside
    itself still counts what stood there before the wait.
    """
    parameters = array_parameters("customers", ("project", "voucher_id", "customer"), set(keys))
    rows = session.execute(_BY_CUSTOMER, parameters)
    return {(row.project, row.voucher_id, row.customer): row.redemptions for row in rows}


def add_redemptions(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """This function will insert the decided requests, in one order for all, so that two batches never deadlock."""
    in_order = sorted(rows, key=lambda row: (row["project"], row["request_id"]))
    session.execute(_INSERT, array_parameters("new", COLUMNS, ([row[name] for name in COLUMNS] for row in in_order)))
