"""The last tick of beat."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE beat_ticks (
            project text NOT NULL,
            ticked_at timestamptz NOT NULL,
            CONSTRAINT pk_beat_ticks PRIMARY KEY (project),
            CONSTRAINT ck_beat_ticks_of_every_project CHECK (project = '')
        )
    """)
    op.execute("ALTER TABLE beat_ticks ALTER COLUMN project SET STATISTICS 0")


def downgrade() -> None:
    op.drop_table("beat_ticks")
