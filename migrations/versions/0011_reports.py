"""Indexes of the ledger by time, for reports.

Rows are added in the order of time, so a BRIN index costs next to nothing.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = ("usage_entries", "usage_reversals")


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"CREATE INDEX ix_{table}_created_at ON {table} USING brin (created_at) WITH (autosummarize = true)")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP INDEX ix_{table}_created_at")
