"""Discounts in cycles and as balances, a ledger that cannot be changed, recorded usage, and stamp cards."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

APPEND_ONLY = ("usage_entries", "invoice_discounts", "usage_records")
REASONS = (
    "idempotency_conflict",
    "voucher_not_found",
    "voucher_retired",
    "code_retired",
    "voucher_not_started",
    "voucher_expired",
    "code_expired",
    "max_redemptions_reached",
    "code_max_redemptions_reached",
    "code_not_for_customer",
    "customer_limit_reached",
    "already_applied",
    "stamp_card_incomplete",
    "product_not_eligible",
    "currency_mismatch",
    "minimum_subtotal_not_met",
    "discount_limit_reached",
)


def upgrade() -> None:
    _add_cycles()
    _add_balances()
    _add_stamp_cards()
    _add_records()
    _refuse_changes()


def downgrade() -> None:
    _allow_changes()
    op.drop_table("usage_records")
    _drop_stamp_cards()
    _drop_balances()
    _drop_cycles()


def _add_cycles() -> None:
    for table in ("vouchers", "discounts"):
        op.add_column(table, sa.Column("duration_in_cycles", sa.Integer(), nullable=True))
        op.drop_constraint(op.f(f"ck_{table}_duration_if_repeating"), table, type_="check")
        op.create_check_constraint(
            op.f(f"ck_{table}_duration_if_repeating"),
            table,
            "num_nonnulls(duration_in_months, duration_in_cycles) = CASE recurrence WHEN 'repeating' THEN 1 ELSE 0 END",
        )
    op.create_check_constraint(op.f("ck_vouchers_cycles_in_range"), "vouchers", "duration_in_cycles BETWEEN 1 AND 999")
    op.create_check_constraint(op.f("ck_discounts_cycles_within_duration"), "discounts", "cycles <= duration_in_cycles")
    op.add_column("discounts", sa.Column("last_period_end", sa.Date(), nullable=True))
    op.execute("""
        UPDATE discounts SET last_period_end = (
            SELECT max(period_end) FROM usage_entries
            WHERE usage_entries.project = discounts.project AND usage_entries.discount_id = discounts.id
        )
        WHERE cycles > 0
    """)
    op.create_check_constraint(
        op.f("ck_discounts_last_period_whole"), "discounts", "(last_period_end IS NULL) = (last_period_start IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_discounts_last_period_not_empty"), "discounts", "last_period_start < last_period_end"
    )


def _drop_cycles() -> None:
    op.drop_column("discounts", "last_period_end")
    for table in ("vouchers", "discounts"):
        # Where something is repeating in cycles the old constraint refuses to come back, and nothing is lost.
        op.drop_column(table, "duration_in_cycles")
        op.create_check_constraint(
            op.f(f"ck_{table}_duration_if_repeating"),
            table,
            "(recurrence = 'repeating') = (duration_in_months IS NOT NULL)",
        )


def _add_balances() -> None:
    for table in ("vouchers", "discounts"):
        op.add_column(table, sa.Column("carry_over", sa.Boolean(), server_default=sa.false(), nullable=False))
        op.create_check_constraint(
            op.f(f"ck_{table}_balance_if_carry_over"),
            table,
            "NOT carry_over OR (amounts_minor IS NOT NULL AND recurrence <> 'once')",
        )


def _drop_balances() -> None:
    for table in ("vouchers", "discounts"):
        op.drop_column(table, "carry_over")


def _refuse_changes() -> None:
    op.execute("""
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
""")
    for table in APPEND_ONLY:
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)


def _allow_changes() -> None:
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER append_only ON {table}")
    op.execute("DROP FUNCTION refuse_change()")


def _add_stamp_cards() -> None:
    op.add_column("vouchers", sa.Column("stamps_required", sa.Integer(), nullable=True))
    op.add_column("vouchers", sa.Column("stamp_expire_days", sa.Integer(), nullable=True))
    for name, condition in {
        "stamps_in_range": "stamps_required BETWEEN 2 AND 1000",
        "stamp_days_in_range": "stamp_expire_days BETWEEN 1 AND 3650",
        "stamp_days_with_stamps": "stamp_expire_days IS NULL OR stamps_required IS NOT NULL",
    }.items():
        op.create_check_constraint(op.f(f"ck_vouchers_{name}"), "vouchers", condition)
    _know_reasons(REASONS)


def _drop_stamp_cards() -> None:
    # What was decided stays as it was answered.
    _know_reasons([reason for reason in REASONS if reason != "stamp_card_incomplete"], also_stored=False)
    op.drop_column("vouchers", "stamp_expire_days")
    op.drop_column("vouchers", "stamps_required")


def _know_reasons(reasons: Sequence[str], *, also_stored: bool = True) -> None:
    op.drop_constraint(op.f("ck_redemptions_reason_known"), "redemptions", type_="check")
    members = ", ".join(f"'{reason}'" for reason in reasons)
    op.create_check_constraint(
        op.f("ck_redemptions_reason_known"),
        "redemptions",
        f"reason IN ({members})",
        postgresql_not_valid=not also_stored,
    )


def _add_records() -> None:
    op.create_table(
        "usage_records",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ref_type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("usage", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("discount_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.CheckConstraint("least(usage, stamp, amount_minor) >= 0", name=op.f("ck_usage_records_counts_not_negative")),
        sa.CheckConstraint(
            "(reason IS NULL) = (greatest(usage, stamp, amount_minor) > 0)",
            name=op.f("ck_usage_records_refused_counts_nothing"),
        ),
        sa.CheckConstraint("discount_id IS NULL OR stamp > 0", name=op.f("ck_usage_records_granted_for_a_stamp")),
        sa.ForeignKeyConstraint(
            ["project", "discount_id"],
            ["discounts.project", "discounts.id"],
            name=op.f("fk_usage_records_project_discount_id_discounts"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["project", "voucher_id"],
            ["vouchers.project", "vouchers.id"],
            name=op.f("fk_usage_records_project_voucher_id_vouchers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "voucher_id", "customer", "ref", name=op.f("pk_usage_records")),
    )
    op.create_index("uq_usage_records_id", "usage_records", ["project", "id"], unique=True)
    op.create_index(
        "ix_usage_records_customer",
        "usage_records",
        ["project", "voucher_id", "customer", "created_at"],
        unique=False,
        postgresql_where=sa.text("reason IS NULL"),
    )
    op.create_index(
        "uq_usage_records_discount",
        "usage_records",
        ["project", "discount_id"],
        unique=True,
        postgresql_where=sa.text("discount_id IS NOT NULL"),
    )
