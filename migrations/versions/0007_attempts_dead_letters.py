"""Attempts of messages under suspicion, and the messages that were given up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("together", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("alone", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("together >= 0 AND alone >= 0", name=op.f("ck_attempts_counted")),
        sa.PrimaryKeyConstraint("project", "task_id", name=op.f("pk_attempts")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("died_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("content_encoding", sa.Text(), nullable=False),
        sa.CheckConstraint("attempts > 0", name=op.f("ck_dead_letters_attempted")),
        sa.PrimaryKeyConstraint("project", "task_id", "digest", name=op.f("pk_dead_letters")),
    )
    for table in ("attempts", "dead_letters"):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN project SET STATISTICS 0")


def downgrade() -> None:
    op.drop_table("dead_letters")
    op.drop_table("attempts")
