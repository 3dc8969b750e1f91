"""Vouchers exclude products, and a discount keeps those of its voucher."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    for table in ("vouchers", "discounts"):
        op.add_column(table, sa.Column("excluded_products", ARRAY(sa.Text())))
    check("vouchers", "excluded_products_not_empty", "cardinality(excluded_products) >= 1")
    check("vouchers", "products_not_excluded", "NOT products && excluded_products")


def downgrade() -> None:
    for table in ("vouchers", "discounts"):
        op.drop_column(table, "excluded_products")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
