"""Checks of exclusive discounts, which are never together with others on a subscription or an invoice."""

EXCLUSIVE_CHECKS = {
    "an exclusive discount runs alone": """
        SELECT project, subscription AS subject, format('%s running', count(*)) AS detail
        FROM discounts WHERE status = 'running' GROUP BY project, subscription
        HAVING count(*) > 1 AND bool_or(exclusive)
    """,
    "an exclusive discount was alone on its invoices": """
        SELECT u.project, u.invoice AS subject, format('%s discounts', count(*)) AS detail
        FROM usage_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        GROUP BY u.project, u.invoice HAVING count(*) > 1 AND bool_or(d.exclusive)
    """,
}
