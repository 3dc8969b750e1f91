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
    charged_back = sa.text("SELECT EXISTS (SELECT FROM invoice_reversals WHERE is_charged_back)")
    if op.get_bind().execute(charged_back).scalar_one():
        message = "invoice_reversals has charge-backs: going below 0011 would give their customers' places back"
        raise RuntimeError(message)
    for table in TABLES:
        op.drop_column(table, "is_charged_back")
