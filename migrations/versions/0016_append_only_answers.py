"""Append-only: redemptions, the answers of writes, and subscriptions, whose rows are only locked."""

from alembic import op

revision = "0016"
down_revision = "0015"

TABLES = ("redemptions", "write_answers", "subscriptions")


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER append_only ON {table}")
