"""The table of discounts. Each has a copy of the terms that its voucher had when the discount was granted."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DefaultClause,
    Index,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    case,
    cast,
    false,
    insert,
    null,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import TypeEngine

from domain.terms import PRIORITY, RecurrenceType
from models.append_only import keeping_customer
from models.base import LOOK_UP_COLLATION, Base, Instant, array_parameters, one_of, rows_from_arrays, table_of
from models.discounts.row_types import NewDiscountRow
from models.vouchers.voucher import (
    BALANCE_IF_CARRY_OVER,
    ONE_DURATION_IF_REPEATING,
    ONE_TOTAL,
    PHASES_IN_RANGE,
    REPEATING_IF_PHASES,
    VOUCHERS,
)


class DiscountStatus(StrEnum):
    """The status of a discount.

    A completed discount takes nothing off a period that is still to come, but a covered invoice may arrive late. An
    ended discount takes nothing off any invoice.
    """

    RUNNING = "running"
    COMPLETED = "completed"
    ENDED = "ended"


# NULL for a running discount, its id for any other. Because of NULLS NOT DISTINCT, the unique index below then allows
# one running discount per voucher and subscription.
ID_UNLESS_RUNNING = f"CASE WHEN status <> '{DiscountStatus.RUNNING}' THEN id END"


class Discount(Base):
    """A granted discount. Its window is from the start of the first discounted period to `ends_on`, exclusive."""

    __tablename__ = "discounts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    # The id of the redemption that granted the discount. One transaction writes both, so a foreign key would only cost
    # time on each row. The audit compares the two tables.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    percentage_millionths: Mapped[int | None] = mapped_column(Integer)
    amounts_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    recurrence: Mapped[str] = mapped_column(Text)
    duration_in_months: Mapped[int | None] = mapped_column(Integer)
    duration_in_cycles: Mapped[int | None] = mapped_column(Integer)
    carry_over: Mapped[bool] = mapped_column(Boolean, server_default=false())
    products: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    # Only periods that end after this day are discounted.
    starts_on: Mapped[date] = mapped_column(Date)
    # The same for an invoice without a period, which belongs to a day in UTC. `starts_on` is a day of the customer's
    # time zone, where it may already be tomorrow. Compared with that, a purchase right after the redemption would be
    # too early.
    starts_on_in_utc: Mapped[date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(Text, server_default=text("'running'"))
    # The progress. It is derived from `usage_entries`, and the audit compares the two.
    first_cycle_start: Mapped[date | None] = mapped_column(Date)
    last_cycle_start: Mapped[date | None] = mapped_column(Date)
    cycles: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    ends_on: Mapped[date | None] = mapped_column(Date)
    last_cycle_end: Mapped[date | None] = mapped_column(Date)
    # The number of ledger entries that reversals gave back. If it is 0, as for most discounts, no query for them is
    # needed.
    entries_given_back: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # The number of credits of the ledger entries, with those that were reversed, for the same reason.
    entries_credited: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # The instant of `discounts.end` or `subscriptions.end`.
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    # The maximum per invoice and in all, and whether the voucher's budget limits the discount.
    maximum_discount_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    maximum_discount_in_all_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    has_budget: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # The instant at which the discount was completed. Null while it runs, and if it was completed before the column was
    # added.
    completed_at: Mapped[datetime | None] = mapped_column(Instant)
    # The instant of the last change of the status, the progress, the subscription or the duration.
    updated_at: Mapped[datetime | None] = mapped_column(Instant)
    excluded_products: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    # Of a ramp, as granted. An extension changes the duration alone.
    phases: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    # If true, `imported_discounts` has what the discount had done in another system.
    is_imported: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # Never together with another discount on its subscription.
    exclusive: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # The amount that the eligible lines of each invoice must reach.
    minimum_subtotal_minor: Mapped[int | None] = mapped_column(BigInteger)
    minimum_subtotal_currency: Mapped[str | None] = mapped_column(Text)
    # The order on an invoice: the lowest number is applied first.
    priority: Mapped[int] = mapped_column(Integer, server_default=text(str(PRIORITY)))

    __table_args__ = (
        CheckConstraint("num_nonnulls(percentage_millionths, amounts_minor, phases) = 1", name="one_price_discount"),
        CheckConstraint(REPEATING_IF_PHASES, name="phases_if_repeating"),
        CheckConstraint(PHASES_IN_RANGE, name="phases_in_range"),
        CheckConstraint(one_of("recurrence", RecurrenceType), name="recurrence_known"),
        CheckConstraint(ONE_DURATION_IF_REPEATING, name="duration_if_repeating"),
        CheckConstraint(BALANCE_IF_CARRY_OVER, name="balance_if_carry_over"),
        CheckConstraint(ONE_TOTAL, name="one_total"),
        CheckConstraint(one_of("status", DiscountStatus), name="status_known"),
        CheckConstraint("num_nulls(first_cycle_start, last_cycle_start) IN (0, 2)", name="ends_whole"),
        CheckConstraint("first_cycle_start <= last_cycle_start", name="cycles_in_order"),
        CheckConstraint("(last_cycle_end IS NULL) = (last_cycle_start IS NULL)", name="last_cycle_whole"),
        CheckConstraint("last_cycle_start < last_cycle_end", name="last_cycle_not_empty"),
        CheckConstraint("cycles <= duration_in_cycles", name="cycles_within_duration"),
        CheckConstraint("(cycles > 0) = (first_cycle_start IS NOT NULL)", name="cycles_with_dates"),
        CheckConstraint("cycles >= 0 AND (recurrence <> 'once' OR cycles <= 1)", name="cycles_in_range"),
        CheckConstraint("entries_given_back >= 0", name="given_back_not_negative"),
        CheckConstraint("entries_credited >= 0", name="credited_not_negative"),
        CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name="ended_whole"),
        CheckConstraint(
            "(minimum_subtotal_minor IS NULL) = (minimum_subtotal_currency IS NULL)", name="minimum_subtotal_whole"
        ),
        CheckConstraint("status <> 'running' OR completed_at IS NULL", name="running_not_completed"),
        # A voucher has at most one running discount on a subscription. Queries for all or for the running discounts of
        # a subscription use the same index.
        Index(
            "uq_discounts_running",
            "subscription",
            text(f'project COLLATE "{LOOK_UP_COLLATION}"'),
            text(f"({ID_UNLESS_RUNNING})"),
            "voucher_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        # For lists, which read each status by itself. If the project had the default collation here, the planner could
        # choose the primary key instead.
        Index("ix_discounts_customer", "customer", text('project COLLATE "C"'), "status", "id"),
        Index("ix_discounts_voucher", "voucher_id", text('project COLLATE "C"'), "status", "id"),
        Index("ix_discounts_over", "ends_on", postgresql_where=text("status = 'running' AND ends_on IS NOT NULL")),
        # Room on each page for the new version of a row that the next cycle writes.
        {"postgresql_with": {"fillfactor": 85}},
    )


DISCOUNTS = keeping_customer(table_of(Discount))
_TERMS = (
    "percentage_millionths",
    "amounts_minor",
    "recurrence",
    "duration_in_months",
    "duration_in_cycles",
    "carry_over",
    "products",
    "maximum_discount_minor",
    "maximum_discount_in_all_minor",
    "excluded_products",
    "phases",
    "exclusive",
    "priority",
)
# Copied only if the voucher wants it of each invoice.
_TERMS_ON_INVOICE = ("minimum_subtotal_minor", "minimum_subtotal_currency")
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
# Of a discount that had begun in another system.
_BEGUN: dict[str, TypeEngine[Any]] = {
    **_NEW,
    "status": Text(),
    "first_cycle_start": Date(),
    "last_cycle_start": Date(),
    "cycles": Integer(),
    "ends_on": Date(),
    "last_cycle_end": Date(),
    "completed_at": Instant,
    "is_imported": Boolean(),
}


def _with_terms(columns: Mapping[str, TypeEngine[Any]]) -> Select[Any]:
    """Return the rows of arrays, each with the present terms of its voucher."""
    granted = rows_from_arrays("granted", **columns)
    return select(
        *(granted.c[name] for name in columns),
        *(VOUCHERS.c[name] for name in _TERMS),
        *(case((VOUCHERS.c.minimum_subtotal_on_invoice, VOUCHERS.c[name])).label(name) for name in _TERMS_ON_INVOICE),
        VOUCHERS.c.budget_minor.is_not(None).label("has_budget"),
    ).join(VOUCHERS, and_(VOUCHERS.c.project == granted.c.project, VOUCHERS.c.id == granted.c.voucher_id))


_WITH_TERMS, _BEGUN_WITH_TERMS = _with_terms(_NEW), _with_terms(_BEGUN)
_ADD, _ADD_BEGUN = (
    insert(DISCOUNTS).from_select(each.selected_columns.keys(), each) for each in (_WITH_TERMS, _BEGUN_WITH_TERMS)
)
# An INSERT fills in the defaults of the other columns.
_DEFAULTS = {
    each: each.server_default.arg if isinstance(each.server_default, DefaultClause) else null()
    for each in DISCOUNTS.c
    if each.name not in _WITH_TERMS.selected_columns
}
_AS_ADDED = _WITH_TERMS.add_columns(*(cast(default, each.type).label(each.name) for each, default in _DEFAULTS.items()))


def add_discounts(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add discounts, each with a copy of its voucher's present terms."""
    session.execute(_ADD, _parameters(rows))


def add_begun_discounts(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add discounts that had begun in another system, each with a copy of its voucher's present terms."""
    session.execute(_ADD_BEGUN, array_parameters("granted", tuple(_BEGUN), map(itemgetter(*_BEGUN), rows)))


def read_as_added(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> Sequence[NewDiscountRow]:
    """Return the whole rows that `add_discounts` would add, in any order, and add nothing."""
    return session.execute(_AS_ADDED, _parameters(rows)).all()


def _parameters(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return array_parameters("granted", tuple(_NEW), map(itemgetter(*_NEW), rows))
