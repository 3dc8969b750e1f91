"""Unknown codes are counted by customer, and the reasons that are never stored are no longer those of a row."""

from alembic import op

revision = "0018"
down_revision = "0017"

STORED = (
    "'voucher_not_found', 'voucher_retired', 'code_retired', 'voucher_not_started', 'voucher_expired', "
    "'code_expired', 'max_redemptions_reached', 'code_max_redemptions_reached', 'code_not_for_customer', "
    "'customer_limit_reached', 'already_applied', 'stamp_card_incomplete', 'product_not_eligible', "
    "'currency_mismatch', 'minimum_subtotal_not_met', 'discount_limit_reached'"
)
NOT_STORED = "'idempotency_conflict', 'fully_reserved'"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE failed_attempts (
            project text NOT NULL,
            customer text NOT NULL,
            began_at timestamptz NOT NULL,
            attempts integer NOT NULL,
            CONSTRAINT pk_failed_attempts PRIMARY KEY (project, customer),
            CONSTRAINT ck_failed_attempts_counted CHECK (attempts >= 1)
        )
    """)
    op.execute("CREATE INDEX ix_failed_attempts_began_at ON failed_attempts (began_at)")
    op.execute("ALTER TABLE failed_attempts ALTER COLUMN project SET STATISTICS 0")
    for table in ("redemptions", "holds"):
        op.drop_constraint(f"ck_{table}_reason_known", table)
        op.drop_constraint(f"ck_{table}_reason_stored", table)
        check(table, "reason_known", f"reason IN ({STORED})")


def downgrade() -> None:
    for table in ("redemptions", "holds"):
        op.drop_constraint(f"ck_{table}_reason_known", table)
        check(table, "reason_known", f"reason IN ({STORED}, {NOT_STORED})")
        check(table, "reason_stored", f"reason NOT IN ({NOT_STORED})")
    op.drop_table("failed_attempts")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
