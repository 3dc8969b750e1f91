"""Look-ups of codes by their texts, by indexes that no other one looks as good as while a database grows."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

TEXT = sa.text("lower(code)")
LAST = (sa.text("created_at DESC"), sa.text("id DESC"))
LISTED = {"ix_codes_voucher_available": "IS NULL", "ix_codes_voucher_retired": "IS NOT NULL"}


def upgrade() -> None:
    _index_texts_by(sa.text('project COLLATE "POSIX"'))
    _index_listings_where("retired_at")


def downgrade() -> None:
    _index_texts_by("project")
    _index_listings_where("retired_reason")


def _index_texts_by(project: sa.TextClause | str) -> None:
    op.drop_index("uq_codes_available", "codes")
    op.drop_index("ix_codes_retired", "codes")
    op.create_index(
        "uq_codes_available",
        "codes",
        [project, TEXT],
        unique=True,
        postgresql_where=sa.text("retired_reason IS NULL"),
    )
    op.create_index(
        "ix_codes_retired", "codes", [project, TEXT, *LAST], postgresql_where=sa.text("retired_reason IS NOT NULL")
    )


def _index_listings_where(column: str) -> None:
    for name, state in LISTED.items():
        op.drop_index(name, "codes")
        op.create_index(name, "codes", ["project", "voucher_id", "id"], postgresql_where=sa.text(f"{column} {state}"))
