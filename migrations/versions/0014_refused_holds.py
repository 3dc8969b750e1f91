"""Indexes of requests for a hold that were refused, by customer and by subscription."""

from alembic import op

revision = "0014"
down_revision = "0013"

OWNERS = ("customer", "subscription")


def upgrade() -> None:
    for owner in OWNERS:
        op.execute(
            f'CREATE INDEX ix_holds_refused_{owner} ON holds ({owner}, project COLLATE "C", id)'
            f" WHERE reason IS NOT NULL AND {owner} IS NOT NULL"
        )


def downgrade() -> None:
    for owner in OWNERS:
        op.execute(f"DROP INDEX ix_holds_refused_{owner}")
