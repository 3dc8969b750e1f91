"""A credit line of a later invoice reverses a part of an invoice, and is itself reversed with the crediting invoice."""

from alembic import op

revision = "0008"
down_revision = "0007"

# Each table with the key of its unique index.
TABLES = {"invoice_reversals": "project, invoice", "usage_reversals": "project, discount_id, invoice"}
KINDS = "'voided', 'payment_failed', 'charged_back', 'refunded'"
CREDITS = "'credited', 'credit_reversed'"
SIGNED = "CASE WHEN kind = 'credit_reversed' THEN amount_minor >= 0 ELSE amount_minor <= 0 END"


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN credited_by text")
        check(table, "kind_known", f"kind IN ({KINDS}, {CREDITS})")
        check(table, "credited_by_if_credit", f"(kind IN ({CREDITS})) = (credited_by IS NOT NULL)")
        index(table, "kind IN ('voided', 'payment_failed', 'charged_back')")
    op.execute("ALTER TABLE invoice_reversals ALTER COLUMN answer DROP NOT NULL")
    check("invoice_reversals", "answer_unless_credit", "(answer IS NULL) = (credited_by IS NOT NULL)")
    op.execute("""
        ALTER TABLE invoice_reversals
        ADD CONSTRAINT fk_invoice_reversals_project_credited_by_invoice_discounts
        FOREIGN KEY (project, credited_by) REFERENCES invoice_discounts (project, invoice) ON DELETE RESTRICT
    """)
    op.execute("ALTER TABLE usage_reversals DROP CONSTRAINT ck_usage_reversals_amount_not_positive")
    check("usage_reversals", "amount_signed", SIGNED)
    op.execute("ALTER TABLE discounts ADD COLUMN entries_credited integer DEFAULT 0 NOT NULL")
    check("discounts", "credited_not_negative", "entries_credited >= 0")


def downgrade() -> None:
    # The earlier release would count a credit as a refund, and cannot count a reversed one at all.
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM invoice_reversals WHERE credited_by IS NOT NULL) THEN
                RAISE EXCEPTION 'an invoice was credited, which the earlier release does not know';
            END IF;
        END $$
    """)
    op.execute("ALTER TABLE discounts DROP COLUMN entries_credited")
    for table in TABLES:
        check(table, "kind_known", f"kind IN ({KINDS})")
        index(table, "kind <> 'refunded'")
    op.execute("ALTER TABLE usage_reversals DROP CONSTRAINT ck_usage_reversals_amount_signed")
    check("usage_reversals", "amount_not_positive", "amount_minor <= 0")
    for table in TABLES:
        # This drops the constraints on the column, too.
        op.execute(f"ALTER TABLE {table} DROP COLUMN credited_by")
    op.execute("ALTER TABLE invoice_reversals ALTER COLUMN answer SET NOT NULL")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck_{table}_{name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")


def index(table: str, condition: str) -> None:
    name = f"uq_{table}_given_back"
    op.execute(f"DROP INDEX {name}")
    op.execute(f"CREATE UNIQUE INDEX {name} ON {table} ({TABLES[table]}) WHERE {condition}")
