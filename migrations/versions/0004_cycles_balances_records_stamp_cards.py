"""Discounts in cycles and as balances, a ledger that cannot be changed, recorded usage, and stamp cards."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0001"

APPEND_ONLY = ("usage_entries", "invoice_discounts")


def upgrade() -> None:
    _add_cycles()
    _add_balances()
    _refuse_changes()


def downgrade() -> None:
    _allow_changes()
    _drop_balances()
    _drop_cycles()


def _add_cycles() -> None:
    for table in ("vouchers", "discounts"):
        op.add_column(table, sa.Column("duration_in_cycles", sa.Integer(), nullable=True))
        op.drop_constraint(op.f(f"ck_{table}_duration_if_repeating"), table, type_="check")
        op.create_check_constraint(
            op.f(f"ck_{table}_duration_if_repeating"),
            table,
            "num_nonnulls(duration_in_months, duration_in_cycles) = CASE recurrence WHEN 'repeating' THEN 1 ELSE 0 END",
        )
    op.create_check_constraint(op.f("ck_vouchers_cycles_in_range"), "vouchers", "duration_in_cycles BETWEEN 1 AND 999")
    op.create_check_constraint(op.f("ck_discounts_cycles_within_duration"), "discounts", "cycles <= duration_in_cycles")
    op.add_column("discounts", sa.Column("last_period_end", sa.Date(), nullable=True))
    op.execute("""
        UPDATE discounts SET last_period_end = (
            SELECT max(period_end) FROM usage_entries
            WHERE usage_entries.project = discounts.project AND usage_entries.discount_id = discounts.id
        )
        WHERE cycles > 0
    """)
    op.create_check_constraint(
        op.f("ck_discounts_last_period_whole"), "discounts", "(last_period_end IS NULL) = (last_period_start IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_discounts_last_period_not_empty"), "discounts", "last_period_start < last_period_end"
    )


def _drop_cycles() -> None:
    op.drop_column("discounts", "last_period_end")
    for table in ("vouchers", "discounts"):
        # Where something is repeating in cycles the old constraint refuses to come back, and nothing is lost.
        op.drop_column(table, "duration_in_cycles")
        op.create_check_constraint(
            op.f(f"ck_{table}_duration_if_repeating"),
            table,
            "(recurrence = 'repeating') = (duration_in_months IS NOT NULL)",
        )


def _add_balances() -> None:
    for table in ("vouchers", "discounts"):
        op.add_column(table, sa.Column("carry_over", sa.Boolean(), server_default=sa.false(), nullable=False))
        op.create_check_constraint(
            op.f(f"ck_{table}_balance_if_carry_over"),
            table,
            "NOT carry_over OR (amounts_minor IS NOT NULL AND recurrence <> 'once')",
        )


def _drop_balances() -> None:
    for table in ("vouchers", "discounts"):
        op.drop_column(table, "carry_over")


def _refuse_changes() -> None:
    op.execute("""
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
""")
    for table in APPEND_ONLY:
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)


def _allow_changes() -> None:
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER append_only ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
