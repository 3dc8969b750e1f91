"""Percentages are stored in millionths instead of basis points, so that they can have four decimals."""

from alembic import op

revision = "0022"
down_revision = "0021"

TABLES = ("vouchers", "discounts")


def upgrade() -> None:
    convert("percentage_basis_points", "percentage_millionths", "* 100", maximum=1_000_000)


def downgrade() -> None:
    # The earlier release would give another amount.
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM vouchers WHERE percentage_millionths % 100 <> 0)
                OR EXISTS (SELECT FROM discounts WHERE percentage_millionths % 100 <> 0)
            THEN
                RAISE EXCEPTION 'a percentage has more than two decimals, which the earlier release does not know';
            END IF;
        END $$
    """)
    convert("percentage_millionths", "percentage_basis_points", "/ 100", maximum=10_000)


def convert(old: str, new: str, factor: str, *, maximum: int) -> None:
    op.execute("ALTER TABLE vouchers DROP CONSTRAINT ck_vouchers_percentage_in_range")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
        # Writes each row once and leaves no old version behind, other than an UPDATE.
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {new} TYPE integer USING {new} {factor}")
    op.execute(f"""
        ALTER TABLE vouchers ADD CONSTRAINT ck_vouchers_percentage_in_range CHECK ({new} BETWEEN 1 AND {maximum})
    """)
