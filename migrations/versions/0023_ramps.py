"""Vouchers and discounts may have phases instead of a price, and an entry of such a discount says in which it was."""

from alembic import op

revision = "0023"
down_revision = "0022"

TABLES = ("vouchers", "discounts")
ONE_PRICE = "num_nonnulls({}) = 1"
PRICES = "percentage_millionths, amounts_minor"


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN phases jsonb")
        check(table, "one_price_discount", ONE_PRICE.format(f"{PRICES}, phases"))
        check(table, "phases_if_repeating", "phases IS NULL OR recurrence = 'repeating'")
        check(table, "phases_in_range", "jsonb_array_length(phases) BETWEEN 1 AND 12")
    op.execute("ALTER TABLE usage_entries ADD COLUMN phase integer")
    check("usage_entries", "phase_in_range", "phase BETWEEN 1 AND 12")


def downgrade() -> None:
    # The earlier release would find no price.
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM vouchers WHERE phases IS NOT NULL)
                OR EXISTS (SELECT FROM discounts WHERE phases IS NOT NULL)
            THEN
                RAISE EXCEPTION 'a voucher has phases, which the earlier release does not know';
            END IF;
        END $$
    """)
    op.execute("ALTER TABLE usage_entries DROP COLUMN phase")
    for table in TABLES:
        # This drops the constraints on the column, too.
        op.execute(f"ALTER TABLE {table} DROP COLUMN phases")
        check(table, "one_price_discount", ONE_PRICE.format(PRICES))


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck_{table}_{name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
