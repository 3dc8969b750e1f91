"""A row for each run of the sweep."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE sweeps (
            project text NOT NULL,
            id uuid NOT NULL,
            started_at timestamptz NOT NULL,
            ended_at timestamptz,
            expired integer,
            max_redemptions_reached integer,
            completed integer,
            codes_expired integer,
            codes_max_redemptions_reached integer,
            holds_lapsed integer,
            CONSTRAINT pk_sweeps PRIMARY KEY (project, id),
            CONSTRAINT ck_sweeps_of_every_project CHECK (project = ''),
            CONSTRAINT ck_sweeps_ended_after_start CHECK (ended_at >= started_at),
            CONSTRAINT ck_sweeps_ended_has_counts CHECK (
                num_nonnulls(
                    expired, max_redemptions_reached, completed, codes_expired, codes_max_redemptions_reached,
                    holds_lapsed
                ) = CASE WHEN ended_at IS NULL THEN 0 ELSE 6 END
            ),
            CONSTRAINT ck_sweeps_counted CHECK (
                least(
                    expired, max_redemptions_reached, completed, codes_expired, codes_max_redemptions_reached,
                    holds_lapsed
                ) >= 0
            )
        )
    """)
    op.execute("ALTER TABLE sweeps ALTER COLUMN project SET STATISTICS 0")


def downgrade() -> None:
    op.drop_table("sweeps")
