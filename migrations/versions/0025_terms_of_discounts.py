"""Further terms of vouchers that a discount copies: the priority on an invoice."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    for table in ("vouchers", "discounts"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN priority integer NOT NULL DEFAULT 500")
    check("vouchers", "priority_in_range", "priority BETWEEN 0 AND 1000")


def downgrade() -> None:
    for table in ("vouchers", "discounts"):
        op.drop_column(table, "priority")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
