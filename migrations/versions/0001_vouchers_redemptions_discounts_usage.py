"""The first schema: vouchers, redemptions, subscriptions, discounts and the usage ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "discounts",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("percentage_basis_points", sa.Integer(), nullable=True),
        sa.Column("amounts_minor", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("recurrence", sa.Text(), nullable=False),
        sa.Column("duration_in_months", sa.Integer(), nullable=True),
        sa.Column("products", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("starts_on_in_utc", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("first_period_start", sa.Date(), nullable=True),
        sa.Column("last_period_start", sa.Date(), nullable=True),
        sa.Column("cycles", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "(recurrence = 'repeating') = (duration_in_months IS NOT NULL)",
            name=op.f("ck_discounts_duration_if_repeating"),
        ),
        sa.CheckConstraint(
            "cycles >= 0 AND (recurrence <> 'once' OR cycles <= 1)", name=op.f("ck_discounts_cycles_in_range")
        ),
        sa.CheckConstraint(
            "recurrence IN ('once', 'repeating', 'forever')", name=op.f("ck_discounts_recurrence_known")
        ),
        sa.CheckConstraint("status IN ('running', 'completed')", name=op.f("ck_discounts_status_known")),
        sa.CheckConstraint(
            "(cycles > 0) = (first_period_start IS NOT NULL)", name=op.f("ck_discounts_cycles_with_periods")
        ),
        sa.CheckConstraint("first_period_start <= last_period_start", name=op.f("ck_discounts_periods_in_order")),
        sa.CheckConstraint(
            "num_nonnulls(percentage_basis_points, amounts_minor) = 1", name=op.f("ck_discounts_one_price_discount")
        ),
        sa.CheckConstraint(
            "num_nulls(first_period_start, last_period_start) IN (0, 2)", name=op.f("ck_discounts_periods_whole")
        ),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_discounts")),
        postgresql_with={"fillfactor": 85},
    )
    op.create_index(
        "ix_discounts_over", "discounts", ["ends_on"], unique=False, postgresql_where=sa.text("status = 'running'")
    )
    op.create_index("ix_discounts_subscription", "discounts", ["subscription", "project"], unique=False)
    op.create_index(
        "uq_discounts_running",
        "discounts",
        ["project", "subscription", "voucher_id"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "invoice_discounts",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("applied_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "invoice", name=op.f("pk_invoice_discounts")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "subscription", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "vouchers",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("percentage_basis_points", sa.Integer(), nullable=True),
        sa.Column("amounts_minor", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("recurrence", sa.Text(), nullable=False),
        sa.Column("duration_in_months", sa.Integer(), nullable=True),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("maximum_redemptions", sa.BigInteger(), nullable=True),
        sa.Column("maximum_redemptions_per_customer", sa.BigInteger(), nullable=True),
        sa.Column("products", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("minimum_subtotal_minor", sa.BigInteger(), nullable=True),
        sa.Column("minimum_subtotal_currency", sa.Text(), nullable=True),
        sa.Column("redemptions", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "is_full",
            sa.Boolean(),
            sa.Computed("coalesce(redemptions >= maximum_redemptions, false)", persisted=True),
            nullable=False,
        ),
        sa.Column("retired_reason", sa.Text(), nullable=True),
        sa.Column("retired_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("delivery_id", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("creation_answer", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint(
            "(recurrence = 'repeating') = (duration_in_months IS NOT NULL)",
            name=op.f("ck_vouchers_duration_if_repeating"),
        ),
        sa.CheckConstraint("recurrence IN ('once', 'repeating', 'forever')", name=op.f("ck_vouchers_recurrence_known")),
        sa.CheckConstraint(
            "retired_reason IN ('manualAction', 'expired', 'maxRedemptionsReached', 'unknown')",
            name=op.f("ck_vouchers_retired_reason_known"),
        ),
        sa.CheckConstraint(
            "(amounts_minor IS NULL) = (currency IS NULL)", name=op.f("ck_vouchers_currency_with_amounts")
        ),
        sa.CheckConstraint(
            "(minimum_subtotal_minor IS NULL) = (minimum_subtotal_currency IS NULL)",
            name=op.f("ck_vouchers_minimum_subtotal_whole"),
        ),
        sa.CheckConstraint(
            "(num_nonnulls(request_id, delivery_id) = 1) = (fingerprint IS NOT NULL)",
            name=op.f("ck_vouchers_answer_keyed"),
        ),
        sa.CheckConstraint("(retired_reason IS NULL) = (retired_at IS NULL)", name=op.f("ck_vouchers_retired_whole")),
        sa.CheckConstraint("amounts_minor ? currency", name=op.f("ck_vouchers_currency_has_an_amount")),
        sa.CheckConstraint("cardinality(products) >= 1", name=op.f("ck_vouchers_products_not_empty")),
        sa.CheckConstraint("duration_in_months BETWEEN 1 AND 999", name=op.f("ck_vouchers_duration_in_range")),
        sa.CheckConstraint("maximum_redemptions >= 1", name=op.f("ck_vouchers_maximum_positive")),
        sa.CheckConstraint("maximum_redemptions_per_customer >= 1", name=op.f("ck_vouchers_customer_maximum_positive")),
        sa.CheckConstraint("minimum_subtotal_minor >= 1", name=op.f("ck_vouchers_minimum_subtotal_positive")),
        sa.CheckConstraint(
            "num_nonnulls(percentage_basis_points, amounts_minor) = 1", name=op.f("ck_vouchers_one_price_discount")
        ),
        sa.CheckConstraint("num_nulls(fingerprint, creation_answer) IN (0, 2)", name=op.f("ck_vouchers_answer_whole")),
        sa.CheckConstraint("percentage_basis_points BETWEEN 1 AND 10000", name=op.f("ck_vouchers_percentage_in_range")),
        sa.CheckConstraint("redemptions <= maximum_redemptions", name=op.f("ck_vouchers_redemptions_within_maximum")),
        sa.CheckConstraint("redemptions >= 0", name=op.f("ck_vouchers_redemptions_not_negative")),
        sa.CheckConstraint("starts_at < expires_at", name=op.f("ck_vouchers_window_not_empty")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_vouchers")),
        postgresql_with={"fillfactor": 85},
    )
    op.create_index(
        "ix_vouchers_code",
        "vouchers",
        [
            "project",
            sa.literal_column("lower(code)"),
            sa.literal_column("(retired_reason IS NULL) DESC"),
            sa.literal_column("created_at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
        postgresql_where=sa.text("code IS NOT NULL"),
    )
    op.create_index(
        "ix_vouchers_due",
        "vouchers",
        ["expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NULL"),
    )
    op.create_index(
        "ix_vouchers_full",
        "vouchers",
        ["id"],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NULL AND is_full"),
    )
    op.create_index(
        "uq_vouchers_available_code",
        "vouchers",
        ["project", sa.literal_column("lower(code)")],
        unique=True,
        postgresql_where=sa.text("retired_reason IS NULL"),
    )
    op.create_index(
        "uq_vouchers_delivery",
        "vouchers",
        ["project", "delivery_id"],
        unique=True,
        postgresql_where=sa.text("delivery_id IS NOT NULL"),
    )
    op.create_index(
        "uq_vouchers_request",
        "vouchers",
        ["project", "request_id"],
        unique=True,
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_table(
        "redemptions",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("redemption_number", sa.BigInteger(), nullable=True),
        sa.Column("effective_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("reason <> 'idempotency_conflict'", name=op.f("ck_redemptions_conflict_not_stored")),
        sa.CheckConstraint(
            "reason IN ('idempotency_conflict', 'voucher_not_found', 'voucher_retired', 'voucher_not_started', "
            "'voucher_expired', 'max_redemptions_reached', 'customer_limit_reached', 'already_applied', "
            "'product_not_eligible', 'currency_mismatch', 'minimum_subtotal_not_met', 'discount_limit_reached')",
            name=op.f("ck_redemptions_reason_known"),
        ),
        sa.CheckConstraint(
            "(reason IS NULL) = (redemption_number IS NOT NULL)", name=op.f("ck_redemptions_accepted_has_number")
        ),
        sa.CheckConstraint("effective_at <= decided_at", name=op.f("ck_redemptions_effective_not_later")),
        sa.CheckConstraint(
            "reason IS NOT NULL OR voucher_id IS NOT NULL", name=op.f("ck_redemptions_accepted_has_voucher")
        ),
        sa.CheckConstraint("redemption_number >= 1", name=op.f("ck_redemptions_number_positive")),
        sa.ForeignKeyConstraint(
            ["project", "voucher_id"],
            ["vouchers.project", "vouchers.id"],
            name=op.f("fk_redemptions_project_voucher_id_vouchers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "request_id", name=op.f("pk_redemptions")),
    )
    op.create_index(
        "ix_redemptions_customer",
        "redemptions",
        ["project", "voucher_id", "customer"],
        unique=False,
        postgresql_where=sa.text("reason IS NULL"),
    )
    op.create_index(
        "uq_redemptions_number",
        "redemptions",
        ["project", "voucher_id", "redemption_number"],
        unique=True,
        postgresql_where=sa.text("redemption_number IS NOT NULL"),
    )
    op.create_table(
        "usage_entries",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("discount_id", sa.Uuid(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_usage_entries_amount_positive")),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_usage_entries_period_not_empty")),
        sa.ForeignKeyConstraint(
            ["project", "discount_id"],
            ["discounts.project", "discounts.id"],
            name=op.f("fk_usage_entries_project_discount_id_discounts"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["project", "invoice"],
            ["invoice_discounts.project", "invoice_discounts.invoice"],
            name=op.f("fk_usage_entries_project_invoice_invoice_discounts"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "discount_id", "invoice", name=op.f("pk_usage_entries")),
    )


def downgrade() -> None:
    op.drop_table("usage_entries")
    op.drop_index(
        "uq_redemptions_number", table_name="redemptions", postgresql_where=sa.text("redemption_number IS NOT NULL")
    )
    op.drop_index("ix_redemptions_customer", table_name="redemptions", postgresql_where=sa.text("reason IS NULL"))
    op.drop_table("redemptions")
    op.drop_index("uq_vouchers_request", table_name="vouchers", postgresql_where=sa.text("request_id IS NOT NULL"))
    op.drop_index("uq_vouchers_delivery", table_name="vouchers", postgresql_where=sa.text("delivery_id IS NOT NULL"))
    op.drop_index(
        "uq_vouchers_available_code", table_name="vouchers", postgresql_where=sa.text("retired_reason IS NULL")
    )
    op.drop_index(
        "ix_vouchers_full", table_name="vouchers", postgresql_where=sa.text("retired_reason IS NULL AND is_full")
    )
    op.drop_index("ix_vouchers_due", table_name="vouchers", postgresql_where=sa.text("retired_reason IS NULL"))
    op.drop_index("ix_vouchers_code", table_name="vouchers", postgresql_where=sa.text("code IS NOT NULL"))
    op.drop_table("vouchers")
    op.drop_table("subscriptions")
    op.drop_table("invoice_discounts")
    op.drop_index("uq_discounts_running", table_name="discounts", postgresql_where=sa.text("status = 'running'"))
    op.drop_index("ix_discounts_subscription", table_name="discounts")
    op.drop_index("ix_discounts_over", table_name="discounts", postgresql_where=sa.text("status = 'running'"))
    op.drop_table("discounts")
