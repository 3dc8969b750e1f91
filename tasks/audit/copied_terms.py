"""Checks of the terms that a discount copies from its voucher, which a redeemed voucher cannot change any more."""

COPIED_TERM_CHECKS = {
    "a discount is exclusive if its voucher is": """
        SELECT d.project, d.id::text AS subject, format('exclusive %s, voucher %s', d.exclusive, v.exclusive) AS detail
        FROM discounts d JOIN vouchers v ON v.project = d.project AND v.id = d.voucher_id
        WHERE d.exclusive <> v.exclusive
    """,
    "a discount comes in its voucher's place on invoices": """
        SELECT d.project, d.id::text AS subject, format('priority %s, voucher %s', d.priority, v.priority) AS detail
        FROM discounts d JOIN vouchers v ON v.project = d.project AND v.id = d.voucher_id
        WHERE d.priority <> v.priority
    """,
    "a discount has its voucher's maximum in all": """
        SELECT d.project, d.id::text AS subject,
               format('%s, voucher %s', d.maximum_discount_in_all_minor, v.maximum_discount_in_all_minor) AS detail
        FROM discounts d JOIN vouchers v ON v.project = d.project AND v.id = d.voucher_id
        WHERE d.maximum_discount_in_all_minor IS DISTINCT FROM v.maximum_discount_in_all_minor
    """,
}
