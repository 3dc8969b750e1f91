"""Erasures of customers answer a repeated request, and their rows stay."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0019"
down_revision = "0018"

ERASURES = "customer_erasures"


def upgrade() -> None:
    op.add_column(ERASURES, sa.Column("request_keys", ARRAY(sa.Text), server_default="{}", nullable=False))
    op.execute(f"""
        ALTER TABLE {ERASURES} ADD CONSTRAINT ck_customer_erasures_answered_when_ended
        CHECK (ended_at IS NULL OR request_keys = '{{}}')
    """)


def downgrade() -> None:
    op.drop_constraint("ck_customer_erasures_answered_when_ended", ERASURES)
    op.drop_column(ERASURES, "request_keys")
