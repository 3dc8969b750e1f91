"""Checks of reversed invoices: refunds, failed payments and charge-backs."""

# Tables that each check may read in place of `usage_entries`: the entries that no reversal has given back, and all
# entries with the amounts that reversals have left, which is what a balance has paid.
LEDGER_TABLES = """
    WITH remaining_entries AS (
        SELECT * FROM usage_entries u WHERE NOT EXISTS (
            SELECT FROM usage_reversals r
            WHERE r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
                  AND r.kind <> 'refunded'
        )
    ),
    amounts_left AS (
        SELECT project, discount_id, currency, amount_minor FROM usage_entries
        UNION ALL SELECT project, discount_id, currency, amount_minor FROM usage_reversals
    )
"""
# For each refunded line: the refunded amount, and the discounts' share.
REFUNDED_LINES = """
    SELECT i.project, i.invoice, line ->> 'id' AS line, sum((line ->> 'amount')::bigint) AS refunded,
           sum(part.of_discounts) AS of_discounts, max(i.created_at) AS latest_at
    FROM invoice_reversals i
    CROSS JOIN LATERAL json_array_elements(i.lines) line
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(value::bigint), 0) AS of_discounts FROM json_each_text(line -> 'discounts')
    ) part
    GROUP BY 1, 2, 3
"""

REVERSAL_CHECKS = {
    "no more is reversed of an entry than it took": """
        SELECT u.project, u.id::text AS subject, format('%s of %s', r.reversed, u.amount_minor) AS detail
        FROM usage_entries u JOIN (
            SELECT project, discount_id, invoice, -sum(amount_minor) AS reversed,
                   bool_or(kind <> 'refunded' OR is_in_full) AS is_whole,
                   -- The rest of an invoice can be charged back after any refund.
                   count(DISTINCT kind) FILTER (WHERE kind <> 'charged_back') > 1
                   OR count(*) FILTER (WHERE kind <> 'refunded') > 1
                   OR bool_or(is_in_full) AND bool_or(kind = 'charged_back') AS is_mixed
            FROM usage_reversals GROUP BY project, discount_id, invoice
        ) r ON r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
        WHERE r.reversed > u.amount_minor OR r.is_mixed OR (r.is_whole AND r.reversed <> u.amount_minor)
    """,
    "what a reversal was answered is what the ledger says": """
        SELECT i.project, i.id::text AS subject,
               format('answered %s, ledger %s', i.answer ->> 'discountTotal', coalesce(r.total, 0)) AS detail
        FROM invoice_reversals i
        LEFT JOIN (
            SELECT project, reversal_id, -sum(amount_minor) AS total, min(kind) AS kind, min(invoice) AS invoice
            FROM usage_reversals GROUP BY project, reversal_id
        ) r ON r.project = i.project AND r.reversal_id = i.id
        WHERE (i.answer ->> 'discountTotal')::bigint <> coalesce(r.total, 0)
              OR (i.answer ->> 'kind', i.answer ->> 'invoice') <> (i.kind, i.invoice)
              OR (r.kind, r.invoice) <> (i.kind, i.invoice)
              OR (SELECT sum((line ->> 'discountShare')::bigint) FROM json_array_elements(i.answer -> 'lines') line)
                 <> coalesce(r.total, 0)
    """,
    "no more is refunded of a line than it was billed": """
        SELECT b.project, b.invoice AS subject, format('line %s: %s of %s', b.line, r.refunded, b.amount) AS detail
        FROM (
            SELECT project, invoice, line ->> 'id' AS line, (line ->> 'amount')::bigint AS amount
            FROM invoice_discounts, json_array_elements(answer -> 'lines') line
        ) b
        JOIN (
            SELECT project, invoice, line ->> 'id' AS line, sum((line ->> 'amount')::bigint) AS refunded
            FROM invoice_reversals, json_array_elements(lines) line GROUP BY 1, 2, 3
        ) r ON r.project = b.project AND r.invoice = b.invoice AND r.line = b.line
        WHERE r.refunded > b.amount
    """,
    "refunds have the share of the discount that is due": f"""
        SELECT b.project, b.invoice AS subject,
               format('line %s: %s refunded, %s of %s', b.line, r.refunded, r.of_discounts, b.discount) AS detail
        FROM ({REFUNDED_LINES}) r
        JOIN (
            SELECT project, invoice, line ->> 'id' AS line, (line ->> 'amount')::numeric AS amount,
                   (line ->> 'discount')::numeric AS discount
            FROM invoice_discounts, json_array_elements(answer -> 'lines') line
        ) b ON b.project = r.project AND b.invoice = r.invoice AND b.line = r.line
        -- The share of all refunds so far, rounded half up.
        WHERE r.of_discounts <> div(2 * r.refunded * b.discount + b.amount, 2 * b.amount)
    """,  # noqa: S608 - put together from the constants above
    "a discount knows how many of its entries were given back": """
        SELECT d.project, d.id::text AS subject,
               format('%s, ledger %s', d.entries_given_back, coalesce(r.entries, 0)) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, count(*) AS entries
            FROM usage_reversals WHERE kind <> 'refunded' GROUP BY project, discount_id
        ) r ON r.project = d.project AND r.discount_id = d.id
        WHERE d.entries_given_back <> coalesce(r.entries, 0)
    """,
}
