"""What must hold for reversals, for what was ended, and for places that are free again: checks of the audit."""

# What a check may read in the place of `usage_entries`: the entries that no reversal has given back.
UNREVERSED_ENTRIES = """
    WITH unreversed_entries AS (
        SELECT * FROM usage_entries u WHERE NOT EXISTS (
            SELECT FROM usage_reversals r
            WHERE r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
                  AND r.reason <> 'refunded'
        )
    )
"""

REVERSAL_CHECKS = {
    "no more is reversed of an entry than it took": """
        SELECT u.project, u.id::text AS subject, format('%s of %s', r.reversed, u.amount_minor) AS detail
        FROM usage_entries u JOIN (
            SELECT project, discount_id, invoice, -sum(amount_minor) AS reversed,
                   bool_or(reason <> 'refunded' OR is_in_full) AS is_whole,
                   -- What is left of an invoice can be charged back whatever was refunded of it.
                   count(DISTINCT reason) FILTER (WHERE NOT is_charged_back) > 1
                   OR count(*) FILTER (WHERE reason <> 'refunded') > 1
                   OR bool_or(is_in_full) AND bool_or(is_charged_back) AS is_mixed
            FROM usage_reversals GROUP BY project, discount_id, invoice
        ) r ON r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
        WHERE r.reversed > u.amount_minor OR r.is_mixed OR (r.is_whole AND r.reversed <> u.amount_minor)
    """,
    "what a reversal was answered is what the ledger says": """
        SELECT i.project, i.id::text AS subject,
               format('answered %s, ledger %s', i.answer ->> 'discountTotal', coalesce(r.total, 0)) AS detail
        FROM invoice_reversals i
        LEFT JOIN (
            SELECT project, reversal_id, -sum(amount_minor) AS total, min(reason) AS reason, min(invoice) AS invoice,
                   bool_or(is_charged_back) AS is_charged_back
            FROM usage_reversals GROUP BY project, reversal_id
        ) r ON r.project = i.project AND r.reversal_id = i.id
        WHERE (i.answer ->> 'discountTotal')::bigint <> coalesce(r.total, 0)
              OR (i.answer ->> 'reversalReason', i.answer ->> 'invoice') <> (i.reason, i.invoice)
              OR (r.reason, r.invoice, r.is_charged_back) <> (i.reason, i.invoice, i.is_charged_back)
              OR coalesce((i.answer ->> 'chargedBack')::boolean, false) <> i.is_charged_back
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
    "a discount knows how many of its entries were given back": """
        SELECT d.project, d.id::text AS subject,
               format('%s, ledger %s', d.entries_given_back, coalesce(r.entries, 0)) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, count(*) AS entries
            FROM usage_reversals WHERE reason <> 'refunded' GROUP BY project, discount_id
        ) r ON r.project = d.project AND r.discount_id = d.id
        WHERE d.entries_given_back <> coalesce(r.entries, 0)
    """,
    "nothing was taken off by a discount that had ended": """
        SELECT u.project, u.discount_id::text AS subject,
               format('ended %s, took something %s', d.ended_at, u.created_at) AS detail
        FROM usage_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE u.created_at > d.ended_at
    """,
    "a place is free again for a redemption that had one": """
        SELECT p.project, p.discount_id::text AS subject, format('%s of voucher %s', p.customer, p.voucher_id) AS detail
        FROM returned_places p
        LEFT JOIN redemptions r ON r.project = p.project AND r.id = p.discount_id AND r.reason IS NULL
        WHERE (r.voucher_id, r.customer) IS DISTINCT FROM (p.voucher_id, p.customer)
              OR (p.kind = 'whole' AND r.code_id IS DISTINCT FROM p.code_id)
    """,
    "the places that are free again are counted": """
        SELECT v.project, v.id::text AS subject,
               format('%s, returned %s', v.places_returned, coalesce(p.places, 0)) AS detail
        FROM (
            -- A voucher and the code that it was created with have one identity.
            SELECT project, id, 'voucher' AS kind, places_returned FROM vouchers
            UNION ALL SELECT project, id, 'code', places_returned FROM codes
        ) v
        LEFT JOIN (
            SELECT project, voucher_id AS id, 'voucher' AS kind, count(*) AS places
            FROM returned_places WHERE kind = 'whole' GROUP BY project, voucher_id
            UNION ALL
            SELECT project, code_id, 'code', count(*)
            FROM returned_places WHERE kind = 'whole' AND code_id IS NOT NULL GROUP BY project, code_id
        ) p ON p.project = v.project AND p.id = v.id AND p.kind = v.kind
        WHERE v.places_returned <> coalesce(p.places, 0)
    """,
    "only what never took effect or was refunded in full gives a place back": """
        SELECT p.project, p.discount_id::text AS subject, format('%s in %s cycles', d.status, d.cycles) AS detail
        FROM returned_places p JOIN discounts d ON d.project = p.project AND d.id = p.discount_id
        WHERE (p.kind = 'whole' AND (d.cycles > 0 OR d.status <> 'ended'))
              OR (p.kind = 'customer' AND NOT EXISTS (
                  SELECT FROM usage_reversals r
                  WHERE r.project = p.project AND r.discount_id = p.discount_id AND r.is_in_full
              ))
              OR EXISTS (
                  SELECT FROM usage_reversals r
                  WHERE r.project = p.project AND r.discount_id = p.discount_id AND r.is_charged_back
                        AND r.created_at <= p.created_at
              )
    """,
}
