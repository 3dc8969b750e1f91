"""Vouchers may have a maximum of what each of their discounts gives over its life, which the discounts copy."""

from alembic import op

revision = "0026"
down_revision = "0025"

TABLES = ("vouchers", "discounts")
MAXIMUM = "maximum_discount_in_all"


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN {MAXIMUM}_minor jsonb")
        check(table, "one_total", f"NOT carry_over OR {MAXIMUM}_minor IS NULL")
    op.execute(f"ALTER TABLE vouchers ADD COLUMN {MAXIMUM}_currency text")
    check("vouchers", f"{MAXIMUM}_whole", f"({MAXIMUM}_minor IS NULL) = ({MAXIMUM}_currency IS NULL)")
    check("vouchers", f"{MAXIMUM}_currency_has_an_amount", f"{MAXIMUM}_minor ? {MAXIMUM}_currency")


def downgrade() -> None:
    # The earlier release would give more than was promised.
    op.execute(f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM vouchers WHERE {MAXIMUM}_minor IS NOT NULL)
                OR EXISTS (SELECT FROM discounts WHERE {MAXIMUM}_minor IS NOT NULL)
            THEN
                RAISE EXCEPTION 'a voucher has a maximum in all, which the earlier release does not know';
            END IF;
        END $$
    """)  # noqa: S608 - our own names
    # This drops the constraints on the columns, too.
    op.execute(f"ALTER TABLE vouchers DROP COLUMN {MAXIMUM}_currency")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {MAXIMUM}_minor")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
