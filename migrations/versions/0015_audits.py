"""A row for each scheduled audit, and indexes by time of the tables that only grow, to find what changed since.

Rows are added in the order of time, so a BRIN index costs next to nothing.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

INSTANTS = {
    "redemptions": "decided_at",
    "holds": "created_at",
    "invoice_discounts": "applied_at",
    "invoice_reversals": "created_at",
    "discount_changes": "created_at",
    "voucher_changes": "created_at",
    "returned_places": "created_at",
    "usage_records": "created_at",
}


def upgrade() -> None:
    op.execute("""
        CREATE TABLE audits (
            project text NOT NULL,
            id uuid NOT NULL,
            kind text NOT NULL,
            started_at timestamptz NOT NULL,
            changed_since timestamptz,
            ended_at timestamptz,
            checks integer,
            violations integer,
            findings json,
            CONSTRAINT pk_audits PRIMARY KEY (project, id),
            CONSTRAINT ck_audits_of_every_project CHECK (project = ''),
            CONSTRAINT ck_audits_kind_known CHECK (kind IN ('changes', 'everything')),
            CONSTRAINT ck_audits_changed_since_if_changes CHECK ((kind = 'changes') = (changed_since IS NOT NULL)),
            CONSTRAINT ck_audits_changed_before_start CHECK (changed_since <= started_at),
            CONSTRAINT ck_audits_ended_after_start CHECK (ended_at >= started_at),
            CONSTRAINT ck_audits_ended_has_result CHECK (
                num_nonnulls(checks, violations, findings) = CASE WHEN ended_at IS NULL THEN 0 ELSE 3 END
            ),
            CONSTRAINT ck_audits_counted CHECK (least(checks, violations) >= 0)
        )
    """)
    op.execute("ALTER TABLE audits ALTER COLUMN project SET STATISTICS 0")
    for table, instant in INSTANTS.items():
        op.execute(f"CREATE INDEX ix_{table}_{instant} ON {table} USING brin ({instant}) WITH (autosummarize = true)")


def downgrade() -> None:
    for table, instant in INSTANTS.items():
        op.execute(f"DROP INDEX ix_{table}_{instant}")
    op.drop_table("audits")
