"""The progress of a discount is in billing cycles, and its columns are named after them."""

from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = {
    "first_period_start": "first_cycle_start",
    "last_period_start": "last_cycle_start",
    "last_period_end": "last_cycle_end",
}
CONSTRAINTS = {
    "periods_whole": "ends_whole",
    "periods_in_order": "cycles_in_order",
    "last_period_whole": "last_cycle_whole",
    "last_period_not_empty": "last_cycle_not_empty",
    "cycles_with_periods": "cycles_with_dates",
}


def upgrade() -> None:
    for former, name in COLUMNS.items():
        op.execute(f"ALTER TABLE discounts RENAME COLUMN {former} TO {name}")
    for former, name in CONSTRAINTS.items():
        op.execute(f"ALTER TABLE discounts RENAME CONSTRAINT ck_discounts_{former} TO ck_discounts_{name}")


def downgrade() -> None:
    for former, name in CONSTRAINTS.items():
        op.execute(f"ALTER TABLE discounts RENAME CONSTRAINT ck_discounts_{name} TO ck_discounts_{former}")
    for former, name in COLUMNS.items():
        op.execute(f"ALTER TABLE discounts RENAME COLUMN {name} TO {former}")
