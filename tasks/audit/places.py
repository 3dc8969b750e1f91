"""What must hold for refunds, customers' places and windows, worked out anew from the lines and the ledger."""

# A TypeID's suffix is the identity's 128 bits, behind two of nothing, in 26 groups of five.
_DISCOUNT_ON_THE_WIRE = """
    SELECT 'dis_' || string_agg(
               substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + substring(bits FROM 1 + 5 * n FOR 5)::bit(5)::int, 1),
               '' ORDER BY n
           )
    FROM generate_series(0, 25) n, (SELECT B'00' || ('x' || replace(u.discount_id::text, '-', ''))::bit(128) AS bits) b
"""
# What was refunded of each line, with all that the discounts had of it.
_REFUNDED_LINES = """
    SELECT i.project, i.invoice, line ->> 'id' AS line, sum((line ->> 'amount')::bigint) AS refunded,
           sum(part.of_discounts) AS of_discounts, max(i.created_at) AS latest_at
    FROM invoice_reversals i
    CROSS JOIN LATERAL json_array_elements(i.lines) line
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(value::bigint), 0) AS of_discounts FROM json_each_text(line -> 'discounts')
    ) part
    GROUP BY 1, 2, 3
"""
# When the last unit of all its lines was refunded: of each entry of which something was, null where something is left.
_REFUNDED_ENTRIES = f"""
    SELECT u.project, u.discount_id, u.invoice,
           CASE WHEN bool_and(refunds.refunded IS NOT DISTINCT FROM (billed ->> 'amount')::bigint)
                THEN max(refunds.latest_at) END AS refunded_at
    FROM (SELECT DISTINCT project, discount_id, invoice FROM usage_reversals WHERE reason = 'refunded') u
    JOIN invoice_discounts i ON i.project = u.project AND i.invoice = u.invoice
    CROSS JOIN LATERAL json_array_elements(i.answer -> 'discounts') discount
    CROSS JOIN LATERAL json_array_elements(i.answer -> 'lines') billed
    LEFT JOIN ({_REFUNDED_LINES}) refunds
           ON refunds.project = i.project AND refunds.invoice = i.invoice AND refunds.line = billed ->> 'id'
    WHERE discount ->> 'discount' = ({_DISCOUNT_ON_THE_WIRE}) AND discount -> 'lines' -> (billed ->> 'id') IS NOT NULL
    GROUP BY 1, 2, 3
"""  # noqa: S608 - put together from the constants above
# Each invoice on which a discount took something off: when it was refunded in full, given back or charged back.
_PURCHASES = f"""
    SELECT u.project, u.discount_id, u.created_at, r.given_back_at, r.charged_back_at, l.refunded_at
    FROM usage_entries u
    LEFT JOIN (
        SELECT project, discount_id, invoice, min(created_at) FILTER (WHERE reason <> 'refunded') AS given_back_at,
               min(created_at) FILTER (WHERE is_charged_back) AS charged_back_at
        FROM usage_reversals GROUP BY project, discount_id, invoice
    ) r ON r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
    LEFT JOIN ({_REFUNDED_ENTRIES}) l
           ON l.project = u.project AND l.discount_id = u.discount_id AND l.invoice = u.invoice
"""  # noqa: S608 - put together from the constants above

PLACE_CHECKS = {
    "a window ends so long after its first period": """
        SELECT project, id::text AS subject, format('from %s to %s', first_period_start, ends_on) AS detail
        FROM discounts
        WHERE (duration_in_months IS NOT NULL OR recurrence = 'once')
              AND ends_on IS DISTINCT FROM CASE
                  WHEN recurrence = 'once' THEN last_period_end
                  ELSE (first_period_start + make_interval(months => duration_in_months))::date
              END
    """,
    "a discount runs until it is over": """
        SELECT project, id::text AS subject,
               format('%s %s in %s cycles, ends on %s', recurrence, status, cycles, ends_on) AS detail
        FROM discounts
        WHERE (status = 'running' AND recurrence = 'once' AND cycles > 0)
              -- What got something back may have found its place taken; a balance has a check of its own.
              OR (status = 'completed' AND entries_given_back = 0 AND NOT carry_over
                  AND CASE recurrence
                      WHEN 'once' THEN cycles = 0
                      WHEN 'forever' THEN true
                      ELSE (ends_on <= (now() AT TIME ZONE 'UTC')::date) IS NOT TRUE
                  END)
    """,
    "a customer's place is free when all was refunded, and only then": f"""
        SELECT project, discount_id::text AS subject, detail
        FROM (
            SELECT p.project, p.discount_id, 'is free, and something was not refunded' AS detail
            FROM returned_places p
            LEFT JOIN ({_PURCHASES}) u
                   ON u.project = p.project AND u.discount_id = p.discount_id AND u.created_at <= p.created_at
            WHERE p.kind = 'customer'
            GROUP BY p.project, p.discount_id
            -- As it was then: a discount that runs on may take something off again.
            HAVING count(u.discount_id) FILTER (WHERE (u.given_back_at <= p.created_at) IS NOT TRUE) = 0
                   OR bool_or((u.given_back_at <= p.created_at) IS NOT TRUE
                              AND (u.refunded_at <= p.created_at) IS NOT TRUE)
                   OR bool_or(u.charged_back_at <= p.created_at)
            UNION ALL
            SELECT u.project, u.discount_id, 'is not free, and all was refunded'
            FROM ({_PURCHASES}) u
            GROUP BY u.project, u.discount_id
            HAVING count(*) FILTER (WHERE u.given_back_at IS NULL) > 0
                   AND bool_and(u.given_back_at IS NOT NULL OR u.refunded_at IS NOT NULL)
                   AND count(u.charged_back_at) = 0
                   AND NOT EXISTS (
                       SELECT FROM returned_places p WHERE p.project = u.project AND p.discount_id = u.discount_id
                   )
        ) found
    """,  # noqa: S608 - put together from the constants above
    "refunds have the share of the discount that is due": f"""
        SELECT b.project, b.invoice AS subject,
               format('line %s: %s refunded, %s of %s', b.line, r.refunded, r.of_discounts, b.discount) AS detail
        FROM ({_REFUNDED_LINES}) r
        JOIN (
            SELECT project, invoice, line ->> 'id' AS line, (line ->> 'amount')::numeric AS amount,
                   (line ->> 'discount')::numeric AS discount
            FROM invoice_discounts, json_array_elements(answer -> 'lines') line
        ) b ON b.project = r.project AND b.invoice = r.invoice AND b.line = r.line
        -- Half up, of all that was refunded so far.
        WHERE r.of_discounts <> div(2 * r.refunded * b.discount + b.amount, 2 * b.amount)
    """,  # noqa: S608 - put together from the constants above
}
