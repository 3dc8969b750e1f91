"""What a voucher was redeemed in the system that it was imported from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

CHECK = "ck_vouchers_imported_within_redemptions"


def upgrade() -> None:
    op.add_column(
        "vouchers", sa.Column("imported_redemptions", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_check_constraint(op.f(CHECK), "vouchers", "imported_redemptions BETWEEN 0 AND redemptions")


def downgrade() -> None:
    op.drop_constraint(op.f(CHECK), "vouchers", type_="check")
    op.drop_column("vouchers", "imported_redemptions")
