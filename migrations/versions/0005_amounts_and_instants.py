"""The amounts that vouchers have given, from their ledgers, and instants of changes, null in the present rows.

The database has not noted when a present discount was completed, nor when a present row was changed last.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE given_amounts (
            project text NOT NULL,
            voucher_id uuid NOT NULL,
            currency text NOT NULL,
            part integer NOT NULL,
            amount_minor bigint NOT NULL,
            CONSTRAINT pk_given_amounts PRIMARY KEY (project, voucher_id, currency, part),
            CONSTRAINT fk_given_amounts_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
                REFERENCES vouchers (project, id) ON DELETE RESTRICT
        ) WITH (fillfactor = 50)
    """)
    op.execute("ALTER TABLE given_amounts ALTER COLUMN project SET STATISTICS 0")
    # The connection is set up for look-ups, but this reads the whole ledger.
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        op.execute(f"SET LOCAL {setting} = on")
    # No invoice is discounted meanwhile, because its amount would not be counted.
    op.execute("LOCK TABLE usage_entries, usage_reversals IN SHARE MODE")
    op.execute("""
        INSERT INTO given_amounts (project, voucher_id, currency, part, amount_minor)
        SELECT discounts.project, discounts.voucher_id, entries.currency, 0, sum(entries.amount_minor)
        FROM (
            SELECT project, discount_id, currency, amount_minor FROM usage_entries
            UNION ALL
            SELECT project, discount_id, currency, amount_minor FROM usage_reversals
        ) AS entries
        JOIN discounts ON discounts.project = entries.project AND discounts.id = entries.discount_id
        GROUP BY 1, 2, 3
    """)
    op.execute("ALTER TABLE codes ADD COLUMN updated_at timestamptz")
    op.execute("""
        ALTER TABLE discounts
        ADD COLUMN completed_at timestamptz,
        ADD COLUMN updated_at timestamptz,
        ADD CONSTRAINT ck_discounts_running_not_completed CHECK (status <> 'running' OR completed_at IS NULL)
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE discounts DROP COLUMN completed_at, DROP COLUMN updated_at")
    op.execute("ALTER TABLE codes DROP COLUMN updated_at")
    op.drop_table("given_amounts")
