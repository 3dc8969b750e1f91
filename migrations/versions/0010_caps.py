"""Caps: the most that a voucher gives on one invoice, and the most that it gives in all."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

CAPS = ("maximum_discount", "budget")


def upgrade() -> None:
    for cap in CAPS:
        _add_cap(cap)
    op.add_column("discounts", sa.Column("maximum_discount_minor", postgresql.JSONB(), nullable=True))
    op.add_column("discounts", sa.Column("has_budget", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "budgets",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("spent_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("amount_minor >= 1", name=op.f("ck_budgets_amount_positive")),
        sa.CheckConstraint("spent_minor BETWEEN 0 AND amount_minor", name=op.f("ck_budgets_spent_within_amount")),
        sa.ForeignKeyConstraint(
            ["project", "voucher_id"],
            ["vouchers.project", "vouchers.id"],
            name=op.f("fk_budgets_project_voucher_id_vouchers"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("project", "voucher_id", "currency", name=op.f("pk_budgets")),
        postgresql_with={"fillfactor": 50},
    )
    op.execute("ALTER TABLE budgets ALTER COLUMN project SET STATISTICS 0")


def downgrade() -> None:
    op.drop_table("budgets")
    op.drop_column("discounts", "has_budget")
    op.drop_column("discounts", "maximum_discount_minor")
    for cap in CAPS[::-1]:
        op.drop_column("vouchers", f"{cap}_currency")
        op.drop_column("vouchers", f"{cap}_minor")


def _add_cap(cap: str) -> None:
    op.add_column("vouchers", sa.Column(f"{cap}_minor", postgresql.JSONB(), nullable=True))
    op.add_column("vouchers", sa.Column(f"{cap}_currency", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f(f"ck_vouchers_{cap}_whole"), "vouchers", f"({cap}_minor IS NULL) = ({cap}_currency IS NULL)"
    )
    op.create_check_constraint(
        op.f(f"ck_vouchers_{cap}_currency_has_an_amount"), "vouchers", f"{cap}_minor ? {cap}_currency"
    )
