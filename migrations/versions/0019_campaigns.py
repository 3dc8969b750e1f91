"""Vouchers have a campaign, and lists are filtered by campaign, metadata and the beginning of the name."""

from alembic import op

revision = "0019"
down_revision = "0018"

METADATA_PAIRS = """
    CREATE FUNCTION metadata_pairs(project text, metadata json) RETURNS bytea[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT array_agg(sha256(convert_to(CAST(jsonb_build_array(project, key, value) AS text), 'UTF8')))
        FROM jsonb_each(CAST(metadata AS jsonb))
    $$
"""


def upgrade() -> None:
    op.execute("ALTER TABLE vouchers ADD COLUMN campaign text")
    op.execute(METADATA_PAIRS)
    for name, status in (("available", "IS NULL"), ("retired", "IS NOT NULL")):
        op.execute(f"""
            CREATE INDEX ix_vouchers_campaign_{name} ON vouchers (project COLLATE "C", campaign, id)
            WHERE campaign IS NOT NULL AND retired_reason {status}
        """)
    op.execute('CREATE INDEX ix_vouchers_name ON vouchers (project COLLATE "C", (left(name, 64) COLLATE "C"))')
    op.execute("CREATE INDEX ix_vouchers_metadata ON vouchers USING gin (metadata_pairs(project, metadata))")


def downgrade() -> None:
    for name in ("metadata", "name", "campaign_retired", "campaign_available"):
        op.execute(f"DROP INDEX ix_vouchers_{name}")
    op.execute("DROP FUNCTION metadata_pairs")
    op.drop_column("vouchers", "campaign")
