"""Codes in a table of their own: those that vouchers have, and those that are added to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

REFUSALS_BEFORE = (
    "'idempotency_conflict', 'voucher_not_found', 'voucher_retired', 'voucher_not_started', 'voucher_expired', "
    "'max_redemptions_reached', 'customer_limit_reached', 'already_applied', 'product_not_eligible', "
    "'currency_mismatch', 'minimum_subtotal_not_met', 'discount_limit_reached'"
)
REFUSALS = (
    "'idempotency_conflict', 'voucher_not_found', 'voucher_retired', 'code_retired', 'voucher_not_started', "
    "'voucher_expired', 'code_expired', 'max_redemptions_reached', 'code_max_redemptions_reached', "
    "'code_not_for_customer', 'customer_limit_reached', 'already_applied', 'product_not_eligible', "
    "'currency_mismatch', 'minimum_subtotal_not_met', 'discount_limit_reached'"
)

# A text is held by the voucher that it names today: the available one, or else the newest. The others lost it to
# that one, and say why. Nobody knows which redemptions named a code and which an id: the counters start at zero.
FILL = """
    INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary, retired_reason, retired_at)
    SELECT project, id, id, code, created_at, true,
           CASE WHEN place = 1 THEN NULL
                WHEN retired_reason = 'expired' THEN 'voucherExpired'
                WHEN retired_reason = 'maxRedemptionsReached' THEN 'voucherMaxRedemptionsReached'
                ELSE 'voucherManuallyRetired' END,
           CASE WHEN place > 1 THEN retired_at END
    FROM (
        SELECT project, id, code, created_at, retired_reason, retired_at, row_number() OVER (
            PARTITION BY project, lower(code) ORDER BY retired_reason IS NULL DESC, created_at DESC, id DESC
        ) AS place
        FROM vouchers WHERE code IS NOT NULL
    ) each
"""
# A text can be the copy of two available vouchers' only where the first's code was retired by itself.
FORGET_LOST_TEXTS = """
    UPDATE vouchers SET code = NULL
    WHERE retired_reason IS NULL AND code IS NOT NULL AND NOT EXISTS (
        SELECT FROM codes
        WHERE codes.project = vouchers.project AND codes.voucher_id = vouchers.id AND is_primary
              AND codes.retired_reason IS NULL
    )
"""


def upgrade() -> None:
    op.create_table(
        "codes",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("maximum_redemptions", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("redemptions", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "is_full",
            sa.Boolean(),
            sa.Computed("coalesce(redemptions >= maximum_redemptions, false)", persisted=True),
            nullable=False,
        ),
        sa.Column("retired_reason", sa.Text(), nullable=True),
        sa.Column("retired_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("maximum_redemptions >= 1", name=op.f("ck_codes_maximum_positive")),
        sa.CheckConstraint("redemptions <= maximum_redemptions", name=op.f("ck_codes_redemptions_within_maximum")),
        sa.CheckConstraint("redemptions >= 0", name=op.f("ck_codes_redemptions_not_negative")),
        sa.CheckConstraint(
            "retired_reason IN ('manualAction', 'expired', 'maxRedemptionsReached', 'voucherExpired', "
            "'voucherMaxRedemptionsReached', 'voucherManuallyRetired')",
            name=op.f("ck_codes_retired_reason_known"),
        ),
        sa.CheckConstraint("(retired_reason IS NULL) = (retired_at IS NULL)", name=op.f("ck_codes_retired_whole")),
        sa.ForeignKeyConstraint(
            ["project", "voucher_id"],
            ["vouchers.project", "vouchers.id"],
            name=op.f("fk_codes_project_voucher_id_vouchers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_codes")),
        postgresql_with={"fillfactor": 85},
    )
    op.execute(FILL)
    op.create_index(
        "uq_codes_available",
        "codes",
        ["project", sa.literal_column("lower(code)")],
        unique=True,
        postgresql_where=sa.text("retired_reason IS NULL"),
    )
    op.create_index(
        "uq_codes_primary",
        "codes",
        ["project", "voucher_id"],
        unique=True,
        postgresql_where=sa.text("is_primary AND retired_reason IS NULL"),
    )
    op.create_index(
        "ix_codes_retired",
        "codes",
        [
            "project",
            sa.literal_column("lower(code)"),
            sa.literal_column("created_at DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NOT NULL"),
    )
    for status, condition in (("available", "IS NULL"), ("retired", "IS NOT NULL")):
        op.create_index(
            f"ix_codes_voucher_{status}",
            "codes",
            ["project", "voucher_id", "id"],
            unique=False,
            postgresql_where=sa.text(f"retired_reason {condition}"),
        )
    op.create_index(
        "ix_codes_due",
        "codes",
        ["expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NULL AND expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_codes_full",
        "codes",
        ["id"],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NULL AND is_full"),
    )
    op.create_table(
        "code_generations",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("generated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("completed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("count BETWEEN 1 AND 1000000", name=op.f("ck_code_generations_count_in_range")),
        sa.CheckConstraint("generated BETWEEN 0 AND count", name=op.f("ck_code_generations_generated_in_range")),
        sa.CheckConstraint(
            "(generated = count) = (completed_at IS NOT NULL)",
            name=op.f("ck_code_generations_completed_when_all_are_there"),
        ),
        sa.ForeignKeyConstraint(
            ["project", "voucher_id"],
            ["vouchers.project", "vouchers.id"],
            name=op.f("fk_code_generations_project_voucher_id_vouchers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_code_generations")),
    )
    op.create_index(
        "uq_code_generations_key",
        "code_generations",
        ["project", "key"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.drop_index("uq_vouchers_available_code", table_name="vouchers")
    op.drop_index("ix_vouchers_code", table_name="vouchers")
    op.add_column("redemptions", sa.Column("code_id", sa.Uuid(), nullable=True))
    op.drop_constraint(op.f("ck_redemptions_reason_known"), "redemptions", type_="check")
    op.create_check_constraint(op.f("ck_redemptions_reason_known"), "redemptions", f"reason IN ({REFUSALS})")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_redemptions_reason_known"), "redemptions", type_="check")
    # What was decided stays as it was answered.
    op.create_check_constraint(
        op.f("ck_redemptions_reason_known"), "redemptions", f"reason IN ({REFUSALS_BEFORE})", postgresql_not_valid=True
    )
    op.drop_column("redemptions", "code_id")
    op.execute(FORGET_LOST_TEXTS)
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
        "uq_vouchers_available_code",
        "vouchers",
        ["project", sa.literal_column("lower(code)")],
        unique=True,
        postgresql_where=sa.text("retired_reason IS NULL"),
    )
    op.drop_table("code_generations")
    op.drop_table("codes")
