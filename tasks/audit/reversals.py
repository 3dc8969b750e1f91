"""Checks of reversed invoices: refunds, credits, failed payments and charge-backs."""

from models.reversal_kinds import GIVES_BACK

# Tables that each check may read in place of `usage_entries`: the entries that no reversal has given back, with the
# amount that is credited of each and the amounts of reversed credits, and all entries with the amounts that reversals
# have left and those of another system, which is what a balance or a maximum in all has paid.
LEDGER_TABLES = f"""
    WITH remaining_entries AS (
        SELECT u.*, coalesce(c.credited, 0) AS credited, coalesce(c.taken_again, 0) AS taken_again
        FROM usage_entries u
        LEFT JOIN (
            SELECT project, discount_id, invoice, -sum(amount_minor) AS credited,
                   sum(amount_minor) FILTER (WHERE kind = 'credit_reversed') AS taken_again
            FROM usage_reversals WHERE credited_by IS NOT NULL GROUP BY project, discount_id, invoice
        ) c ON c.project = u.project AND c.discount_id = u.discount_id AND c.invoice = u.invoice
        WHERE NOT EXISTS (
            SELECT FROM usage_reversals r
            WHERE r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
                  AND r.{GIVES_BACK}
        )
    ),
    amounts_left AS (
        SELECT project, discount_id, currency, amount_minor, 0 AS taken_again FROM usage_entries
        UNION ALL
        SELECT project, discount_id, currency, amount_minor,
               CASE WHEN kind = 'credit_reversed' THEN amount_minor ELSE 0 END
        FROM usage_reversals
        UNION ALL
        SELECT project, discount_id, key, value::bigint, 0
        FROM imported_discounts CROSS JOIN LATERAL jsonb_each_text(taken_minor)
    )
"""  # noqa: S608 - put together from the constant above
# For each line that was refunded or credited: the refunded and the whole amount, and the discounts' share of the whole.
RETURNED_LINES = """
    SELECT i.project, i.invoice, line ->> 'id' AS line,
           sum((line ->> 'amount')::bigint) FILTER (WHERE i.kind = 'refunded') AS refunded,
           sum((line ->> 'amount')::bigint) AS returned,
           sum(part.of_discounts) AS of_discounts, max(i.created_at) FILTER (WHERE i.kind = 'refunded') AS latest_at,
           count(*) FILTER (WHERE i.kind = 'credit_reversed') AS credits_reversed
    FROM invoice_reversals i
    CROSS JOIN LATERAL json_array_elements(i.lines) line
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(value::bigint), 0) AS of_discounts FROM json_each_text(line -> 'discounts')
    ) part
    GROUP BY 1, 2, 3
"""

REVERSAL_CHECKS = {
    "no more is reversed of an entry than it took": f"""
        SELECT u.project, u.id::text AS subject, format('%s of %s', r.reversed, u.amount_minor) AS detail
        FROM usage_entries u JOIN (
            SELECT project, discount_id, invoice, -sum(amount_minor) AS reversed,
                   bool_or({GIVES_BACK} OR is_in_full) AS is_whole,
                   -- The rest of an invoice can be charged back after any refund.
                   count(DISTINCT kind) FILTER (WHERE kind <> 'charged_back' AND credited_by IS NULL) > 1
                   OR count(*) FILTER (WHERE {GIVES_BACK}) > 1
                   OR bool_or(is_in_full) AND bool_or(kind = 'charged_back') AS is_mixed
            FROM usage_reversals GROUP BY project, discount_id, invoice
        ) r ON r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
        WHERE r.reversed NOT BETWEEN 0 AND u.amount_minor OR r.is_mixed
              OR (r.is_whole AND r.reversed <> u.amount_minor)
    """,  # noqa: S608 - put together from the constants above
    "what a reversal was answered is what the ledger says": f"""
        SELECT i.project, i.id::text AS subject,
               format('answered %s, ledger %s', i.answer ->> 'discountTotal', coalesce(r.total, 0)) AS detail
        FROM invoice_reversals i
        LEFT JOIN (
            SELECT project, reversal_id, sum(total) AS total
            FROM (
                SELECT project, reversal_id, -amount_minor AS total FROM usage_reversals WHERE credited_by IS NULL
                UNION ALL
                -- The credits that were reversed with their invoice.
                SELECT own.project, own.id, -credit.amount_minor
                FROM usage_reversals credit
                JOIN invoice_reversals own
                     ON own.project = credit.project AND own.invoice = credit.credited_by AND own.{GIVES_BACK}
                WHERE credit.kind = 'credit_reversed'
            ) amounts
            GROUP BY project, reversal_id
        ) r ON r.project = i.project AND r.reversal_id = i.id
        WHERE i.credited_by IS NULL
              AND ((i.answer ->> 'discountTotal')::bigint <> coalesce(r.total, 0)
                   OR (i.answer ->> 'kind', i.answer ->> 'invoice') <> (i.kind, i.invoice)
                   OR i.answer ->> 'actor' IS DISTINCT FROM i.actor
                   OR coalesce(r.total, 0) <> (
                       SELECT sum((line ->> 'discountShare')::bigint) FROM json_array_elements(i.answer -> 'lines') line
                   ))
    """,  # noqa: S608 - put together from the constants above
    "an entry of a reversal is of the same kind, instant and invoice": """
        SELECT r.project, r.id::text AS subject,
               format('%s of %s at %s, reversal %s of %s at %s', r.kind, r.invoice, r.created_at, i.kind, i.invoice,
                      i.created_at) AS detail
        FROM usage_reversals r JOIN invoice_reversals i ON i.project = r.project AND i.id = r.reversal_id
        WHERE (r.kind, r.invoice, r.credited_by, r.created_at)
              IS DISTINCT FROM (i.kind, i.invoice, i.credited_by, i.created_at)
    """,
    "what an invoice was answered about its credits is what the ledger says": """
        SELECT coalesce(a.project, r.project) AS project, coalesce(a.invoice, r.credited_by) AS subject,
               format('%s answered %s, ledger %s', coalesce(a.credited, r.invoice), a.amounts, r.amounts) AS detail
        FROM (
            SELECT i.project, i.invoice, credit -> 'creditOf' ->> 'invoice' AS credited,
                   (sum((credit ->> 'amount')::bigint), sum((credit ->> 'discountShare')::bigint))::text AS amounts
            FROM invoice_discounts i, json_array_elements(i.answer -> 'credits') credit
            GROUP BY 1, 2, 3
        ) a
        FULL JOIN (
            SELECT i.project, i.credited_by, i.invoice,
                   (sum((i.lines -> 0 ->> 'amount')::bigint), sum(coalesce(parts.share, 0))::bigint)::text AS amounts
            FROM invoice_reversals i
            LEFT JOIN (
                SELECT project, reversal_id, -sum(amount_minor) AS share FROM usage_reversals GROUP BY 1, 2
            ) parts ON parts.project = i.project AND parts.reversal_id = i.id
            WHERE i.kind = 'credited'
            GROUP BY 1, 2, 3
        ) r ON r.project = a.project AND r.credited_by = a.invoice AND r.invoice = a.credited
        WHERE a.amounts IS DISTINCT FROM r.amounts
    """,
    "a credit is reversed with its invoice, and only then": f"""
        SELECT c.project, c.credited_by AS subject, format('%s of %s in force', c.in_force, c.invoice) AS detail
        FROM (
            SELECT project, credited_by, invoice, sum((lines -> 0 ->> 'amount')::bigint) AS in_force,
                   bool_or(kind = 'credit_reversed') AS is_reversed
            FROM invoice_reversals WHERE credited_by IS NOT NULL GROUP BY 1, 2, 3
        ) c
        LEFT JOIN invoice_reversals own
               ON own.project = c.project AND own.invoice = c.credited_by AND own.{GIVES_BACK}
        LEFT JOIN invoice_reversals of_credited
               ON of_credited.project = c.project AND of_credited.invoice = c.invoice AND of_credited.{GIVES_BACK}
        WHERE (c.is_reversed AND (own.id IS NULL OR c.in_force <> 0))
              -- If the credited invoice was given back before, nothing is left to take again.
              OR (NOT c.is_reversed AND own.id IS NOT NULL AND of_credited.id IS NULL)
    """,  # noqa: S608 - put together from the constants above
    "no more is refunded and credited of a line than it was billed": """
        SELECT b.project, b.invoice AS subject, format('line %s: %s of %s', b.line, r.returned, b.amount) AS detail
        FROM (
            SELECT project, invoice, line ->> 'id' AS line, (line ->> 'amount')::bigint AS amount
            FROM invoice_discounts, json_array_elements(answer -> 'lines') line
        ) b
        JOIN (
            SELECT project, invoice, line ->> 'id' AS line, sum((line ->> 'amount')::bigint) AS returned
            FROM invoice_reversals, json_array_elements(lines) line GROUP BY 1, 2, 3
        ) r ON r.project = b.project AND r.invoice = b.invoice AND r.line = b.line
        WHERE r.returned NOT BETWEEN 0 AND b.amount
    """,
    "refunds and credits have the share of the discount that is due": f"""
        SELECT b.project, b.invoice AS subject,
               format('line %s: %s returned, %s of %s', b.line, r.returned, r.of_discounts, b.discount) AS detail
        FROM ({RETURNED_LINES}) r
        JOIN (
            SELECT project, invoice, line ->> 'id' AS line, (line ->> 'amount')::numeric AS amount,
                   (line ->> 'discount')::numeric AS discount
            FROM invoice_discounts, json_array_elements(answer -> 'lines') line
        ) b ON b.project = r.project AND b.invoice = r.invoice AND b.line = r.line
        -- The share of all refunds and credits so far, rounded half up. A reversed credit has taken back its own share,
        -- and the rest is rounded from there. It can still be given back with the rest of the line.
        WHERE CASE
            WHEN r.credits_reversed = 0
            THEN r.of_discounts <> div(2 * r.returned * b.discount + b.amount, 2 * b.amount)
            ELSE r.of_discounts NOT BETWEEN b.discount - (b.amount - r.returned) AND least(r.returned, b.discount)
        END
    """,  # noqa: S608 - put together from the constants above
    "a discount knows how many of its entries were given back": f"""
        SELECT d.project, d.id::text AS subject,
               format('%s, ledger %s', d.entries_given_back, coalesce(r.entries, 0)) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, count(*) AS entries
            FROM usage_reversals WHERE {GIVES_BACK} GROUP BY project, discount_id
        ) r ON r.project = d.project AND r.discount_id = d.id
        WHERE d.entries_given_back <> coalesce(r.entries, 0)
    """,  # noqa: S608 - put together from the constants above
    "a discount knows how many credits its entries had": """
        SELECT d.project, d.id::text AS subject,
               format('%s, ledger %s', d.entries_credited, coalesce(r.entries, 0)) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, count(*) AS entries
            FROM usage_reversals WHERE credited_by IS NOT NULL GROUP BY project, discount_id
        ) r ON r.project = d.project AND r.discount_id = d.id
        WHERE d.entries_credited <> coalesce(r.entries, 0)
    """,
}
