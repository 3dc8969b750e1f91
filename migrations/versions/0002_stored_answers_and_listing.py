"""Stored answers of writes, the order in which vouchers are listed, and when one was last changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "write_answers",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "task", "key", name=op.f("pk_write_answers")),
    )
    op.add_column("vouchers", sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.create_index(
        "ix_vouchers_listed_available",
        "vouchers",
        ["project", "id"],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NULL"),
    )
    op.create_index(
        "ix_vouchers_listed_retired",
        "vouchers",
        ["project", "id"],
        unique=False,
        postgresql_where=sa.text("retired_reason IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_vouchers_listed_retired", table_name="vouchers", postgresql_where=sa.text("retired_reason IS NOT NULL")
    )
    op.drop_index(
        "ix_vouchers_listed_available", table_name="vouchers", postgresql_where=sa.text("retired_reason IS NULL")
    )
    op.drop_column("vouchers", "updated_at")
    op.drop_table("write_answers")
