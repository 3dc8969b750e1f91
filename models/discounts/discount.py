"""The table of discounts: each grant to a subscription, with a copy of the voucher's terms at that moment."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Date,
    Index,
    Integer,
    Text,
    Uuid,
    and_,
    false,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import TypeEngine

from domain.terms import RecurrenceType
from models.base import LOOK_UP_COLLATION, Base, Instant, array_parameters, one_of, rows_from_arrays, table_of
from models.vouchers.voucher import BALANCE_IF_CARRY_OVER, ONE_DURATION_IF_REPEATING, VOUCHERS


class DiscountStatus(StrEnum):
    """Whether a discount may still take something off a coming period."""

    RUNNING = "running"
    COMPLETED = "completed"
    ENDED = "ended"


# Tells what is over from what runs, which has none, and from each other.
OVER = f"CASE WHEN status <> '{DiscountStatus.RUNNING}' THEN id END"


class Discount(Base):
    """One granted discount. Its window runs from the first discounted period's start to `ends_on`."""

    __tablename__ = "discounts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    # The identity of the redemption that granted it. One transaction writes both, so there is no foreign key to
    # pay for on each row; the audit compares them.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    percentage_basis_points: Mapped[int | None] = mapped_column(Integer)
    amounts_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    recurrence: Mapped[str] = mapped_column(Text)
    duration_in_months: Mapped[int | None] = mapped_column(Integer)
    duration_in_cycles: Mapped[int | None] = mapped_column(Integer)
    carry_over: Mapped[bool] = mapped_column(Boolean, server_default=false())
    products: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    # Only periods that end after this day are discounted.
    starts_on: Mapped[date] = mapped_column(Date)
    # The same for an invoice without a period, which is of a day in UTC: where it is already tomorrow, a purchase
    # of this moment would else lie before its own voucher.
    starts_on_in_utc: Mapped[date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(Text, server_default=text("'running'"))
    # Derived from the usage entries, and compared with them by the audit.
    first_period_start: Mapped[date | None] = mapped_column(Date)
    last_period_start: Mapped[date | None] = mapped_column(Date)
    cycles: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    ends_on: Mapped[date | None] = mapped_column(Date)
    last_period_end: Mapped[date | None] = mapped_column(Date)
    # How many of its entries were given back by a reversal; most have none, and need not be asked for them.
    entries_given_back: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # When an operator ended it, or its subscription ended.
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    # The most on one invoice, and whether the voucher's budget limits it.
    maximum_discount_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    has_budget: Mapped[bool] = mapped_column(Boolean, server_default=false())

    __table_args__ = (
        CheckConstraint("num_nonnulls(percentage_basis_points, amounts_minor) = 1", name="one_price_discount"),
        CheckConstraint(one_of("recurrence", RecurrenceType), name="recurrence_known"),
        CheckConstraint(ONE_DURATION_IF_REPEATING, name="duration_if_repeating"),
        CheckConstraint(BALANCE_IF_CARRY_OVER, name="balance_if_carry_over"),
        CheckConstraint(one_of("status", DiscountStatus), name="status_known"),
        CheckConstraint("num_nulls(first_period_start, last_period_start) IN (0, 2)", name="periods_whole"),
        CheckConstraint("first_period_start <= last_period_start", name="periods_in_order"),
        CheckConstraint("(last_period_end IS NULL) = (last_period_start IS NULL)", name="last_period_whole"),
        CheckConstraint("last_period_start < last_period_end", name="last_period_not_empty"),
        CheckConstraint("cycles <= duration_in_cycles", name="cycles_within_duration"),
        CheckConstraint("(cycles > 0) = (first_period_start IS NOT NULL)", name="cycles_with_periods"),
        CheckConstraint("cycles >= 0 AND (recurrence <> 'once' OR cycles <= 1)", name="cycles_in_range"),
        CheckConstraint("entries_given_back >= 0", name="given_back_not_negative"),
        CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name="ended_whole"),
        # A voucher runs at most once on a subscription at a time: what runs has no `over` and nulls are alike. Finding
        # a subscription's discounts goes by the same index, and so does finding those that run.
        Index(
            "uq_discounts_running",
            "subscription",
            text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
            text(f"({OVER})"),
            "voucher_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        # Listing, each status by itself. Their collation keeps a listing off the primary key, which would look as good.
        Index("ix_discounts_customer", "customer", text('project COLLATE "C"'), "status", "id"),
        Index("ix_discounts_voucher", "voucher_id", text('project COLLATE "C"'), "status", "id"),
        Index("ix_discounts_over", "ends_on", postgresql_where=text("status = 'running' AND ends_on IS NOT NULL")),
        # Room on each page for the next cycle.
        {"postgresql_with": {"fillfactor": 85}},
    )


DISCOUNTS = table_of(Discount)
_TERMS = (
    "percentage_basis_points",
    "amounts_minor",
    "recurrence",
    "duration_in_months",
    "duration_in_cycles",
    "carry_over",
    "products",
    "maximum_discount_minor",
)
_NEW: dict[str, TypeEngine[Any]] = {
    "project": Text(),
    "id": Uuid(),
    "voucher_id": Uuid(),
    "customer": Text(),
    "subscription": Text(),
    "created_at": Instant,
    "starts_on": Date(),
    "starts_on_in_utc": Date(),
}
_GRANTED = rows_from_arrays("granted", **_NEW)
_ADD = insert(DISCOUNTS).from_select(
    [*_NEW, *_TERMS, "has_budget"],
    select(
        *(_GRANTED.c[name] for name in _NEW),
        *(VOUCHERS.c[name] for name in _TERMS),
        VOUCHERS.c.budget_minor.is_not(None),
    ).join(VOUCHERS, and_(VOUCHERS.c.project == _GRANTED.c.project, VOUCHERS.c.id == _GRANTED.c.voucher_id)),
)


def add_discounts(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """This function will grant discounts, each with a copy of its voucher's terms as they stand."""
    session.execute(_ADD, array_parameters("granted", tuple(_NEW), map(itemgetter(*_NEW), rows)))
