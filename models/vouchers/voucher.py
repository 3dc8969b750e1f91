"""The table of vouchers: terms, restrictions, counters, and the reason and time of retirement."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Index,
    Integer,
    Text,
    Uuid,
    event,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.terms import PHASES_MAX, PRIORITY, RecurrenceType, RetiredReason
from models.base import Base, Instant, one_of, table_of
from models.vouchers.filter import CREATE_METADATA_PAIRS, METADATA_PAIRS, NAME_KEY

ONE_DURATION_IF_REPEATING = (
    "num_nonnulls(duration_in_months, duration_in_cycles) = CASE recurrence WHEN 'repeating' THEN 1 ELSE 0 END"
)
REPEATING_IF_PHASES = "phases IS NULL OR recurrence = 'repeating'"
PHASES_IN_RANGE = f"jsonb_array_length(phases) BETWEEN 1 AND {PHASES_MAX}"
BALANCE_IF_CARRY_OVER = "NOT carry_over OR (amounts_minor IS NOT NULL AND recurrence <> 'once')"
ONE_TOTAL = "NOT carry_over OR maximum_discount_in_all_minor IS NULL"


class Voucher(Base):
    """A voucher of a project."""

    __tablename__ = "vouchers"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    name: Mapped[str] = mapped_column(Text)
    # Only a copy, to be shown with the voucher. Look up vouchers by code in `codes`.
    code: Mapped[str | None] = mapped_column(Text)
    # What the voucher is part of, for lists and reports.
    campaign: Mapped[str | None] = mapped_column(Text)
    # 1,000,000 is 100 %.
    percentage_millionths: Mapped[int | None] = mapped_column(Integer)
    # Minor units by currency. `currency` is the currency that is shown first, as `priceDiscount.currency`.
    amounts_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    currency: Mapped[str | None] = mapped_column(Text)
    recurrence: Mapped[str] = mapped_column(Text)
    duration_in_months: Mapped[int | None] = mapped_column(Integer)
    duration_in_cycles: Mapped[int | None] = mapped_column(Integer)
    # If true, the fixed amount is a balance for all invoices, not an allowance for each cycle.
    carry_over: Mapped[bool] = mapped_column(Boolean, server_default=false())
    starts_at: Mapped[datetime | None] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    maximum_redemptions: Mapped[int | None] = mapped_column(BigInteger)
    maximum_redemptions_per_customer: Mapped[int | None] = mapped_column(BigInteger)
    products: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    minimum_subtotal_minor: Mapped[int | None] = mapped_column(BigInteger)
    minimum_subtotal_currency: Mapped[str | None] = mapped_column(Text)
    # If true, each invoice must reach the minimum, and not the purchase of the redemption.
    minimum_subtotal_on_invoice: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # The number of stamps that complete a card, and for how many days each stamp counts. A voucher with a stamp card is
    # granted by a completed card only.
    stamps_required: Mapped[int | None] = mapped_column(Integer)
    stamp_expire_days: Mapped[int | None] = mapped_column(Integer)
    redemptions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Redemptions in another system. `redemptions` includes them, so that redemption numbers continue after them.
    imported_redemptions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # How many of these have come over since, as imported discounts. Each has a row, with a number from 1 on.
    imported_matched: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # An upper bound for the number of open holds, which is cheap to read. It includes holds that
    # have lapsed since the last sweep.
    held: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Places of redemptions that never took effect. Such a redemption keeps the number, but takes no place.
    places_returned: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # `ix_vouchers_full` uses this column, not the counters. With an indexed counter, each redemption would write a new
    # entry to every index of the table, because PostgreSQL makes no heap-only update if an indexed column changes.
    is_full: Mapped[bool] = mapped_column(
        Boolean, Computed("coalesce(redemptions - places_returned >= maximum_redemptions, false)", persisted=True)
    )
    retired_reason: Mapped[str | None] = mapped_column(Text)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
    # JSON keeps the text as the caller sent it; JSONB would reorder keys and change numbers.
    # The attribute is not called `metadata`, because SQLAlchemy reserves that name.
    caller_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    request_id: Mapped[str | None] = mapped_column(Text)
    # The id of the task's message, if the caller sent no request id: a redelivery creates no second voucher.
    delivery_id: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[bytes | None]
    # The first answer, which is replayed even after the voucher has changed.
    creation_answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # The time of the last update. The audit does not compare earlier redemptions with the present restrictions.
    updated_at: Mapped[datetime | None] = mapped_column(Instant)
    # The most that a discount takes off an invoice, the most that it takes off in all, and the most that all discounts
    # together take off: minor units by currency, with the currency that is shown first. The used part of a budget is in
    # `budgets`.
    maximum_discount_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    maximum_discount_currency: Mapped[str | None] = mapped_column(Text)
    maximum_discount_in_all_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    maximum_discount_in_all_currency: Mapped[str | None] = mapped_column(Text)
    budget_minor: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    budget_currency: Mapped[str | None] = mapped_column(Text)
    # Never discounted, whatever `products` says.
    excluded_products: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    # If true, a request must say that it is the customer's first purchase.
    first_purchase_only: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # The phases of a ramp, which has no price of its own: the columns of a price for each, and its `duration` in the
    # unit of the voucher's, which is the sum.
    phases: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    # Never together with another discount on a subscription.
    exclusive: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # The order of the discounts on an invoice: the lowest number is applied first.
    priority: Mapped[int] = mapped_column(Integer, server_default=text(str(PRIORITY)))

    __table_args__ = (
        CheckConstraint("num_nonnulls(percentage_millionths, amounts_minor, phases) = 1", name="one_price_discount"),
        CheckConstraint(REPEATING_IF_PHASES, name="phases_if_repeating"),
        CheckConstraint(PHASES_IN_RANGE, name="phases_in_range"),
        CheckConstraint("percentage_millionths BETWEEN 1 AND 1000000", name="percentage_in_range"),
        CheckConstraint("amounts_minor ? currency", name="currency_has_an_amount"),
        CheckConstraint("(amounts_minor IS NULL) = (currency IS NULL)", name="currency_with_amounts"),
        CheckConstraint(one_of("recurrence", RecurrenceType), name="recurrence_known"),
        CheckConstraint(ONE_DURATION_IF_REPEATING, name="duration_if_repeating"),
        CheckConstraint("duration_in_months BETWEEN 1 AND 999", name="duration_in_range"),
        CheckConstraint("duration_in_cycles BETWEEN 1 AND 999", name="cycles_in_range"),
        CheckConstraint(BALANCE_IF_CARRY_OVER, name="balance_if_carry_over"),
        CheckConstraint(ONE_TOTAL, name="one_total"),
        CheckConstraint("priority BETWEEN 0 AND 1000", name="priority_in_range"),
        CheckConstraint("stamps_required BETWEEN 2 AND 1000", name="stamps_in_range"),
        CheckConstraint("stamp_expire_days BETWEEN 1 AND 3650", name="stamp_days_in_range"),
        CheckConstraint("stamp_expire_days IS NULL OR stamps_required IS NOT NULL", name="stamp_days_with_stamps"),
        CheckConstraint("starts_at < expires_at", name="window_not_empty"),
        CheckConstraint("maximum_redemptions >= 1", name="maximum_positive"),
        CheckConstraint("maximum_redemptions_per_customer >= 1", name="customer_maximum_positive"),
        CheckConstraint("cardinality(products) >= 1", name="products_not_empty"),
        CheckConstraint("cardinality(excluded_products) >= 1", name="excluded_products_not_empty"),
        CheckConstraint("NOT products && excluded_products", name="products_not_excluded"),
        CheckConstraint("minimum_subtotal_minor >= 1", name="minimum_subtotal_positive"),
        CheckConstraint(
            "(minimum_subtotal_minor IS NULL) = (minimum_subtotal_currency IS NULL)", name="minimum_subtotal_whole"
        ),
        CheckConstraint(
            "NOT minimum_subtotal_on_invoice OR minimum_subtotal_minor IS NOT NULL", name="minimum_on_invoice"
        ),
        CheckConstraint("redemptions - places_returned <= maximum_redemptions", name="redemptions_within_maximum"),
        CheckConstraint("places_returned BETWEEN 0 AND redemptions", name="places_within_redemptions"),
        CheckConstraint("redemptions >= 0", name="redemptions_not_negative"),
        CheckConstraint("imported_redemptions BETWEEN 0 AND redemptions", name="imported_within_redemptions"),
        CheckConstraint("imported_matched BETWEEN 0 AND imported_redemptions", name="matched_within_imported"),
        CheckConstraint("held >= 0", name="held_not_negative"),
        CheckConstraint(one_of("retired_reason", RetiredReason), name="retired_reason_known"),
        CheckConstraint("(retired_reason IS NULL) = (retired_at IS NULL)", name="retired_whole"),
        CheckConstraint("num_nulls(fingerprint, creation_answer) IN (0, 2)", name="answer_whole"),
        CheckConstraint("(num_nonnulls(request_id, delivery_id) = 1) = (fingerprint IS NOT NULL)", name="answer_keyed"),
        *(
            constraint
            for cap in ("maximum_discount", "maximum_discount_in_all", "budget")
            for constraint in (
                CheckConstraint(f"({cap}_minor IS NULL) = ({cap}_currency IS NULL)", name=f"{cap}_whole"),
                CheckConstraint(f"{cap}_minor ? {cap}_currency", name=f"{cap}_currency_has_an_amount"),
            )
        ),
        Index(
            "uq_vouchers_request",
            "project",
            "request_id",
            unique=True,
            postgresql_where=text("request_id IS NOT NULL"),
        ),
        Index(
            "uq_vouchers_delivery",
            "project",
            "delivery_id",
            unique=True,
            postgresql_where=text("delivery_id IS NOT NULL"),
        ),
        Index("ix_vouchers_due", "expires_at", "id", postgresql_where=text("retired_reason IS NULL")),
        Index(
            "ix_vouchers_full",
            "id",
            postgresql_where=text("retired_reason IS NULL AND is_full"),
        ),
        # A list of one status uses the index of that status, and a list of both statuses uses the primary key. The
        # collation keeps the planner from using the primary key for one status, which happens if it expects few rows.
        Index(
            "ix_vouchers_listed_available",
            text('project COLLATE "C"'),
            "id",
            postgresql_where=text("retired_reason IS NULL"),
        ),
        Index(
            "ix_vouchers_listed_retired",
            text('project COLLATE "C"'),
            "id",
            postgresql_where=text("retired_reason IS NOT NULL"),
        ),
        # Of a campaign likewise.
        *(
            Index(
                f"ix_vouchers_campaign_{name}",
                text('project COLLATE "C"'),
                "campaign",
                "id",
                postgresql_where=text(f"campaign IS NOT NULL AND {status}"),
            )
            for name, status in (("available", "retired_reason IS NULL"), ("retired", "retired_reason IS NOT NULL"))
        ),
        Index("ix_vouchers_name", text('project COLLATE "C"'), text(NAME_KEY)),
        Index("ix_vouchers_metadata", text(METADATA_PAIRS), postgresql_using="gin"),
        # 15 % of each page stay free, so that an update of a counter finds room on the same page.
        {"postgresql_with": {"fillfactor": 85}},
    )


VOUCHERS = table_of(Voucher)
event.listen(VOUCHERS, "before_create", CREATE_METADATA_PAIRS)
