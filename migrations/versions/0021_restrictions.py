"""Vouchers exclude products and are for first purchases only, discounts keep those products, codes limit customers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0021"
down_revision = "0020"

# Each new reason, and the nearest of those before.
NEW_REASONS = {
    "not_first_purchase": "product_not_eligible",
    "code_customer_limit_reached": "customer_limit_reached",
}
# In order of precedence.
REASONS = (
    *("voucher_not_found", "voucher_retired", "code_retired", "voucher_not_started", "voucher_expired"),
    *("code_expired", "max_redemptions_reached", "code_max_redemptions_reached", "code_not_for_customer"),
    *("customer_limit_reached", "code_customer_limit_reached", "already_applied", "stamp_card_incomplete"),
    *("not_first_purchase", "product_not_eligible", "currency_mismatch", "minimum_subtotal_not_met"),
    "discount_limit_reached",
)
REASONS_BEFORE = tuple(each for each in REASONS if each not in NEW_REASONS)
# Both have the reasons of refused requests.
REFUSING = ("redemptions", "holds")


def upgrade() -> None:
    for table in ("vouchers", "discounts"):
        op.add_column(table, sa.Column("excluded_products", ARRAY(sa.Text())))
    op.add_column("vouchers", sa.Column("first_purchase_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("codes", sa.Column("maximum_redemptions_per_customer", sa.BigInteger()))
    check("codes", "customer_maximum_positive", "maximum_redemptions_per_customer >= 1")
    check("vouchers", "excluded_products_not_empty", "cardinality(excluded_products) >= 1")
    check("vouchers", "products_not_excluded", "NOT products && excluded_products")
    for table in REFUSING:
        op.drop_constraint(f"ck_{table}_reason_known", table)
        check_reasons(table, REASONS)


def downgrade() -> None:
    refuse_if("SELECT FROM vouchers WHERE excluded_products IS NOT NULL", "a voucher has excluded products")
    refuse_if("SELECT FROM discounts WHERE excluded_products IS NOT NULL", "a discount has excluded products")
    refuse_if("SELECT FROM vouchers WHERE first_purchase_only", "a voucher is for first purchases only")
    refuse_if("SELECT FROM codes WHERE maximum_redemptions_per_customer IS NOT NULL", "a code limits its customers")
    switch_append_only("DISABLE")
    for table in REFUSING:
        op.drop_constraint(f"ck_{table}_reason_known", table)
        for reason, nearest in NEW_REASONS.items():
            op.execute(f"UPDATE {table} SET reason = '{nearest}' WHERE reason = '{reason}'")  # noqa: S608 - our own names
        check_reasons(table, REASONS_BEFORE)
    switch_append_only("ENABLE")
    op.drop_column("codes", "maximum_redemptions_per_customer")
    op.drop_column("vouchers", "first_purchase_only")
    for table in ("vouchers", "discounts"):
        op.drop_column(table, "excluded_products")


def refuse_if(query: str, message: str) -> None:
    # The earlier release would discount, or redeem, what the term forbids.
    op.execute(f"""
        DO $$ BEGIN
            IF EXISTS ({query}) THEN
                RAISE EXCEPTION '{message}, which the earlier release does not know';
            END IF;
        END $$
    """)


def switch_append_only(verb: str) -> None:
    # Of `redemptions`, the triggers refuse an UPDATE.
    for trigger in ("append_only", "append_only_but_erasure"):
        op.execute(f"ALTER TABLE redemptions {verb} TRIGGER {trigger}")


def check_reasons(table: str, reasons: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{each}'" for each in reasons)
    check(table, "reason_known", f"reason IN ({listed})")


def check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({condition})")
