"""Payments that were charged back, told from those that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = ("invoice_reversals", "usage_reversals")


def upgrade() -> None:
    for table in TABLES:
        # Nobody said so yet: what is stored are payments that failed.
        op.add_column(table, sa.Column("is_charged_back", sa.Boolean(), server_default=sa.false(), nullable=False))
        op.create_check_constraint(
            op.f(f"ck_{table}_charged_back_if_failed"), table, "NOT is_charged_back OR reason = 'payment_failed'"
        )


def downgrade() -> None:
    for table in TABLES:
        # What was charged back is from then on a payment that failed.
        op.drop_column(table, "is_charged_back")
