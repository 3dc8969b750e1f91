"""A reversal has a kind, and a charge-back is one: no longer a failed payment with a mark."""

from alembic import op

revision = "0004"
down_revision = "0003"

# Each table with the key of its unique index.
TABLES = {"invoice_reversals": "project, invoice", "usage_reversals": "project, discount_id, invoice"}
# The fields of an answer. JSONB does not keep their order.
ANSWER_WITH_KIND = """
    (answer::jsonb - 'reversalReason' - 'chargedBack' || jsonb_build_object('kind',
        CASE WHEN answer ->> 'chargedBack' = 'true' THEN 'charged_back' ELSE answer ->> 'reversalReason' END
    ))::json
"""
ANSWER_WITH_REASON = """
    (answer::jsonb - 'kind' || jsonb_build_object(
        'reversalReason', CASE answer ->> 'kind' WHEN 'charged_back' THEN 'payment_failed' ELSE answer ->> 'kind' END,
        'chargedBack', answer ->> 'kind' = 'charged_back'
    ))::json
"""


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN kind text DEFAULT '' NOT NULL")
        fill(table, "kind", "CASE WHEN is_charged_back THEN 'charged_back' ELSE reason END")
        # This drops the constraints and the index on the columns, too.
        op.execute(
            f"ALTER TABLE {table} ALTER COLUMN kind DROP DEFAULT, DROP COLUMN reason, DROP COLUMN is_charged_back"
        )
        check(table, "kind_known", "kind IN ('voided', 'payment_failed', 'charged_back', 'refunded')")
        index(table, "kind")
    change_answers(ANSWER_WITH_KIND)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN reason text DEFAULT '' NOT NULL")
        op.execute(f"ALTER TABLE {table} ADD COLUMN is_charged_back boolean DEFAULT false NOT NULL")
        fill(table, "reason", "CASE kind WHEN 'charged_back' THEN 'payment_failed' ELSE kind END")
        fill(table, "is_charged_back", "kind = 'charged_back'")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN reason DROP DEFAULT, DROP COLUMN kind")
        check(table, "reason_known", "reason IN ('voided', 'payment_failed', 'refunded')")
        check(table, "charged_back_if_failed", "NOT is_charged_back OR reason = 'payment_failed'")
        index(table, "reason")
    change_answers(ANSWER_WITH_REASON)


def fill(table: str, column: str, expression: str) -> None:
    # The trigger of an append-only table refuses an UPDATE. A change of the type runs no trigger.
    kept_type = "boolean" if column.startswith("is_") else "text"
    op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kept_type} USING {expression}")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")


def index(table: str, column: str) -> None:
    name = f"uq_{table}_given_back"
    op.execute(f"CREATE UNIQUE INDEX {name} ON {table} ({TABLES[table]}) WHERE {column} <> 'refunded'")


def change_answers(expression: str) -> None:
    op.execute(f"ALTER TABLE invoice_reversals ALTER COLUMN answer TYPE json USING {expression}")
    op.execute(f"UPDATE write_answers SET answer = {expression} WHERE task = 'billing.reverse'")  # noqa: S608 - the expressions above
