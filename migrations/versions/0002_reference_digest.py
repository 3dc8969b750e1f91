"""The key of usage records has a digest of the reference, because the longest ids did not fit into an index."""

from alembic import op

revision = "0002"
down_revision = "0001_baseline"


def upgrade() -> None:
    op.execute(r"""
        ALTER TABLE usage_records
        ADD COLUMN ref_digest bytea NOT NULL
            GENERATED ALWAYS AS (sha256(decode(replace(ref, '\', '\\'), 'escape'))) STORED,
        DROP CONSTRAINT pk_usage_records,
        ADD CONSTRAINT pk_usage_records PRIMARY KEY (project, voucher_id, customer, ref_digest)
    """)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE usage_records
        DROP CONSTRAINT pk_usage_records,
        DROP COLUMN ref_digest,
        ADD CONSTRAINT pk_usage_records PRIMARY KEY (project, voucher_id, customer, ref)
    """)
