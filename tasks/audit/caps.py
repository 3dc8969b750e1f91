"""Checks of given amounts and of the caps on discounts: budgets of vouchers, and maximums for an invoice."""

from models.invoices.report import sums_by_month

CAP_CHECKS = {
    # The report of discounts has the same sums.
    "what a voucher has given is what the ledger says": f"""
        SELECT coalesce(g.project, u.project) AS project, coalesce(g.voucher_id, u.voucher_id)::text AS subject,
               format('%s: given %s, ledger %s', coalesce(g.currency, u.currency), coalesce(g.amount_minor, 0),
                      coalesce(u.amount_minor, 0)) AS detail
        FROM (
            SELECT project, voucher_id, currency, sum(amount_minor) AS amount_minor
            FROM given_amounts GROUP BY project, voucher_id, currency
        ) g
        FULL JOIN (
            SELECT project, voucher_id, currency, sum(given_minor - reversed_minor) AS amount_minor
            FROM ({sums_by_month()}) AS sums WHERE currency IS NOT NULL GROUP BY project, voucher_id, currency
        ) u ON u.project = g.project AND u.voucher_id = g.voucher_id AND u.currency = g.currency
        WHERE coalesce(g.amount_minor, 0) <> coalesce(u.amount_minor, 0)
    """,  # noqa: S608 - put together from the sums of the report
    "a budget's spending is what the ledger says": """
        SELECT coalesce(b.project, u.project) AS project, coalesce(b.voucher_id, u.voucher_id)::text AS subject,
               format('spent %s of %s %s, ledger %s', b.spent_minor, b.amount_minor, coalesce(b.currency, u.currency),
                      coalesce(u.given, 0)) AS detail
        FROM budgets b
        FULL JOIN (
            SELECT d.project, d.voucher_id, u.currency, sum(u.amount_minor) AS given
            FROM (
                SELECT project, discount_id, currency, amount_minor FROM remaining_entries
                UNION ALL
                SELECT project, discount_id, key, value::bigint
                FROM imported_discounts CROSS JOIN LATERAL jsonb_each_text(taken_minor)
            ) u
            JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
            WHERE d.has_budget GROUP BY d.project, d.voucher_id, u.currency
        ) u ON u.project = b.project AND u.voucher_id = b.voucher_id AND u.currency = b.currency
        WHERE b.spent_minor IS DISTINCT FROM coalesce(u.given, 0) OR u.given > b.amount_minor
    """,
    "a voucher's budgets are those that it shows": """
        SELECT v.project, v.id::text AS subject, format('shows %s, budgets %s', v.budget_minor, b.amounts) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT project, voucher_id, jsonb_object_agg(currency, amount_minor) AS amounts
            FROM budgets GROUP BY project, voucher_id
        ) b ON b.project = v.project AND b.voucher_id = v.id
        WHERE v.budget_minor IS DISTINCT FROM b.amounts
    """,
    "a budget limits all the discounts of its voucher": """
        SELECT d.project, d.id::text AS subject, format('limited %s, budget %s', d.has_budget, v.budget_minor) AS detail
        FROM discounts d JOIN vouchers v ON v.project = d.project AND v.id = d.voucher_id
        WHERE d.has_budget <> (v.budget_minor IS NOT NULL)
    """,
    "no invoice got more than the maximum from one discount": """
        SELECT u.project, u.discount_id::text AS subject,
               format('invoice %s: %s of %s %s', u.invoice, u.amount_minor,
                      d.maximum_discount_minor ->> u.currency, u.currency) AS detail
        FROM usage_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE d.maximum_discount_minor IS NOT NULL
              AND (u.amount_minor <= (d.maximum_discount_minor ->> u.currency)::bigint) IS NOT TRUE
    """,
}
