"""The indexes of lists, and an id of each dead letter, which is its position in a list."""

from alembic import op

revision = "0009"
down_revision = "0008"

OWNERS = {"customer": "customer", "subscription": "subscription", "voucher": "voucher_id", "code": "code_id"}
OWNERS_OF_HOLDS = ("customer", "subscription", "voucher")
OWNERS_OF_INVOICES = ("subscription", "customer")
HELD = "status <> 'refused' AND id IS NOT NULL"
# Each index with its table and its definition.
INDEXES = {
    "ix_redemptions_reason": ("redemptions", '(project COLLATE "POSIX", reason, id)'),
    "ix_redemptions_accepted_code": (
        "redemptions",
        '(code_id, project COLLATE "C", id) WHERE redemption_number IS NOT NULL AND code_id IS NOT NULL',
    ),
    **{
        f"ix_redemptions_refused_{name}": (
            "redemptions",
            f'({column}, project COLLATE "C", reason, id) WHERE reason IS NOT NULL AND {column} IS NOT NULL',
        )
        for name, column in OWNERS.items()
    },
    "ix_redemptions_unknown_code": (
        "redemptions",
        '(left(lower(code), 100), project COLLATE "C", id) WHERE voucher_id IS NULL',
    ),
    **{
        f"ix_holds_of_{name}": (
            "holds",
            f'({OWNERS[name]}, project COLLATE "POSIX", status, id) WHERE {HELD} AND {OWNERS[name]} IS NOT NULL',
        )
        for name in OWNERS_OF_HOLDS
    },
    **{
        f"ix_invoice_discounts_{name}": (
            "invoice_discounts",
            f'({name}, project COLLATE "POSIX", applied_at) WHERE {name} IS NOT NULL',
        )
        for name in OWNERS_OF_INVOICES
    },
    **{
        f"ix_invoice_reversals_{name}": (
            "invoice_reversals",
            f"((answer ->> '{name}'), project COLLATE \"POSIX\", kind, id) WHERE (answer ->> '{name}') IS NOT NULL",
        )
        for name in OWNERS_OF_INVOICES
    },
    "ix_discount_changes_from_subscription": (
        "discount_changes",
        '(from_subscription, project COLLATE "POSIX") WHERE from_subscription IS NOT NULL',
    ),
    "ix_dead_letters_listed": ("dead_letters", '(project COLLATE "C", id)'),
}
# A UUID that sorts by the millisecond at which the message was given up, as a UUIDv7 does.
ID = """
    encode(
        substring(int8send(floor(extract(epoch FROM died_at) * 1000)::bigint) FROM 3)
        || substring(uuid_send(gen_random_uuid()) FROM 7),
        'hex'
    )::uuid
"""


def upgrade() -> None:
    op.execute("ALTER TABLE dead_letters ADD COLUMN id uuid")
    op.execute(f"UPDATE dead_letters SET id = {ID}")  # noqa: S608 - the constant above
    op.execute("ALTER TABLE dead_letters ALTER COLUMN id SET NOT NULL")
    for name, (table, definition) in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {table} {definition}")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("ALTER TABLE dead_letters DROP COLUMN id")
