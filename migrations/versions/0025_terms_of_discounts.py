"""Further terms of vouchers that a discount copies: priority, exclusive, and the minimum subtotal of each invoice."""

from alembic import op

revision = "0025"
down_revision = "0024"

# The new reason, and the nearest of those before.
NEW, NEAREST = "not_combinable", "discount_limit_reached"
# In order of precedence.
REASONS = (
    *("voucher_not_found", "voucher_retired", "code_retired", "voucher_not_started", "voucher_expired"),
    *("code_expired", "max_redemptions_reached", "code_max_redemptions_reached", "code_not_for_customer"),
    *("customer_limit_reached", "code_customer_limit_reached", "already_applied", "stamp_card_incomplete"),
    *("not_first_purchase", "product_not_eligible", "currency_mismatch", "minimum_subtotal_not_met"),
    *("not_combinable", "discount_limit_reached"),
)
REASONS_BEFORE = tuple(each for each in REASONS if each != NEW)
# Both have the reasons of refused requests.
REFUSING = ("redemptions", "holds")


def upgrade() -> None:
    for table in ("vouchers", "discounts"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN priority integer NOT NULL DEFAULT 500")
        op.execute(f"ALTER TABLE {table} ADD COLUMN exclusive boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE vouchers ADD COLUMN minimum_subtotal_on_invoice boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE discounts ADD COLUMN minimum_subtotal_minor bigint")
    op.execute("ALTER TABLE discounts ADD COLUMN minimum_subtotal_currency text")
    check("vouchers", "minimum_on_invoice", "NOT minimum_subtotal_on_invoice OR minimum_subtotal_minor IS NOT NULL")
    check(
        "discounts",
        "minimum_subtotal_whole",
        "(minimum_subtotal_minor IS NULL) = (minimum_subtotal_currency IS NULL)",
    )
    check("vouchers", "priority_in_range", "priority BETWEEN 0 AND 1000")
    for table in REFUSING:
        op.drop_constraint(f"ck_{table}_reason_known", table)
        check_reasons(table, REASONS)


def downgrade() -> None:
    for table in ("vouchers", "discounts"):
        refuse_if(f"SELECT FROM {table} WHERE priority <> 500", f"one of the {table} has a priority")
        refuse_if(f"SELECT FROM {table} WHERE exclusive", f"one of the {table} is exclusive")
    refuse_if("SELECT FROM vouchers WHERE minimum_subtotal_on_invoice", "a voucher has a minimum of each invoice")
    refuse_if(
        "SELECT FROM discounts WHERE minimum_subtotal_minor IS NOT NULL", "a discount has a minimum of each invoice"
    )
    switch_append_only("DISABLE")
    for table in REFUSING:
        op.drop_constraint(f"ck_{table}_reason_known", table)
        op.execute(f"UPDATE {table} SET reason = '{NEAREST}' WHERE reason = '{NEW}'")  # noqa: S608 - our own names
        check_reasons(table, REASONS_BEFORE)
    switch_append_only("ENABLE")
    op.drop_column("discounts", "minimum_subtotal_currency")
    op.drop_column("discounts", "minimum_subtotal_minor")
    op.drop_column("vouchers", "minimum_subtotal_on_invoice")
    for table in ("vouchers", "discounts"):
        op.drop_column(table, "exclusive")
        op.drop_column(table, "priority")


def refuse_if(query: str, message: str) -> None:
    # The earlier release would discount what the term forbids, or in another order.
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
