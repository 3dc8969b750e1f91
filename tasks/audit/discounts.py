"""Checks of discounts: their amounts on invoices, their progress through periods and cycles, and their windows."""

_TOTAL = "CASE WHEN d.carry_over THEN d.amounts_minor ELSE d.maximum_discount_in_all_minor END"

DISCOUNT_CHECKS = {
    "a fixed discount gave no more than its amount in a cycle": """
        SELECT project, discount_id::text AS subject, format('cycle from %s: %s', cycle_start, string_agg(
                   format('%s of %s %s', taken, allowance, currency), ', ')) AS detail
        FROM (
            -- A reversed credit is taken again, even if another invoice has got the amount meanwhile.
            SELECT u.project, u.discount_id, u.cycle_start, u.currency,
                   sum(u.amount_minor - u.credited - u.taken_again) AS taken,
                   (coalesce(d.amounts_minor, phase.amounts) ->> u.currency)::numeric AS allowance
            FROM remaining_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
            CROSS JOIN LATERAL (
                SELECT nullif(d.phases -> (u.phase - 1) -> 'amounts_minor', 'null') AS amounts
            ) phase
            -- A balance has no allowance of a cycle, and may take again what was refunded.
            WHERE coalesce(d.amounts_minor, phase.amounts) IS NOT NULL AND NOT d.carry_over
            GROUP BY u.project, u.discount_id, u.cycle_start, u.currency, d.amounts_minor, phase.amounts
        ) each
        GROUP BY project, discount_id, cycle_start
        HAVING bool_or(allowance IS NULL OR allowance < least(taken, 1))
               OR round(sum(taken / nullif(allowance, 0)), 15) > 1
    """,
    "a discount gave no more than its balance or its maximum in all": f"""
        SELECT project, discount_id::text AS subject, string_agg(
                   format('%s of %s %s', taken, allowance, currency), ', ') AS detail
        FROM (
            SELECT u.project, u.discount_id, u.currency, sum(u.amount_minor - u.taken_again) AS taken,
                   (total.amounts ->> u.currency)::numeric AS allowance
            FROM amounts_left u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
            CROSS JOIN LATERAL (SELECT {_TOTAL} AS amounts) total
            WHERE total.amounts IS NOT NULL
            GROUP BY u.project, u.discount_id, u.currency, total.amounts
        ) each
        GROUP BY project, discount_id
        HAVING bool_or(allowance IS NULL OR allowance < least(taken, 1))
               OR round(sum(taken / nullif(allowance, 0)), 15) > 1
    """,  # noqa: S608 - put together from the constant
    "a discount whose balance or maximum in all is used up is completed": f"""
        SELECT project, id::text AS subject, format('%s of %s', taken, amounts) AS detail
        FROM (
            SELECT d.project, d.id, total.amounts, string_agg(format('%s %s', u.taken, u.currency), ', ') AS taken,
                   sum(u.taken / nullif((total.amounts ->> u.currency)::numeric, 0)) AS share,
                   (SELECT max(value::numeric) FROM jsonb_each_text(total.amounts)) AS largest
            FROM discounts d JOIN (
                SELECT project, discount_id, currency, sum(amount_minor) AS taken
                FROM amounts_left GROUP BY project, discount_id, currency
            ) u ON u.project = d.project AND u.discount_id = d.id
            CROSS JOIN LATERAL (SELECT {_TOTAL} AS amounts) total
            WHERE total.amounts IS NOT NULL AND d.status = 'running'
            GROUP BY d.project, d.id, total.amounts
        ) each
        -- Not one unit of any currency is left. The last digits of a quotient of numerics are not exact.
        WHERE round(largest * (1 - share), 4) < 1
    """,  # noqa: S608 - put together from the constant
    "what an invoice was answered is what the ledger says": """
        SELECT i.project, i.invoice AS subject,
               format('answered %s, ledger %s', i.answer ->> 'discountTotal', coalesce(u.total, 0)) AS detail
        FROM invoice_discounts i
        LEFT JOIN (
            SELECT project, invoice, sum(amount_minor) AS total
            FROM (
                SELECT project, invoice, amount_minor FROM usage_entries
                UNION ALL
                SELECT project, credited_by, amount_minor FROM usage_reversals WHERE kind = 'credited'
            ) amounts
            GROUP BY project, invoice
        ) u ON u.project = i.project AND u.invoice = i.invoice
        WHERE (i.answer ->> 'discountTotal')::bigint <> coalesce(u.total, 0)
    """,
    "an entry of the ledger is of the same instant as its invoice": """
        SELECT u.project, u.id::text AS subject,
               format('%s at %s, invoice at %s', u.invoice, u.created_at, i.applied_at) AS detail
        FROM usage_entries u JOIN invoice_discounts i ON i.project = u.project AND i.invoice = u.invoice
        WHERE u.created_at <> i.applied_at
    """,
    "a discount's progress is what the ledger says": """
        SELECT d.project, d.id::text AS subject,
               format('%s to %s, %s, in %s cycles, ledger %s to %s, %s, in %s', d.first_cycle_start,
                      d.last_cycle_start, d.last_cycle_end, d.cycles, u.first, u.last, u.last_end, u.cycles) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, min(first) AS first, max(last) AS last, max(last_end) AS last_end,
                   sum(cycles) AS cycles
            FROM (
                SELECT u.project, u.discount_id, min(cycle_start) AS first, max(cycle_start) AS last,
                       max(cycle_end) AS last_end,
                       -- The cycles of another system are counted there.
                       count(DISTINCT cycle_start) FILTER (
                           WHERE (cycle_start BETWEEN i.first_cycle_start AND i.last_cycle_start) IS NOT TRUE
                       ) AS cycles
                FROM remaining_entries u
                LEFT JOIN imported_discounts i ON i.project = u.project AND i.discount_id = u.discount_id
                GROUP BY u.project, u.discount_id
                UNION ALL
                SELECT project, discount_id, first_cycle_start, last_cycle_start, last_cycle_end, cycles
                FROM imported_discounts
            ) here_and_elsewhere
            GROUP BY project, discount_id
        ) u ON u.project = d.project AND u.discount_id = d.id
        WHERE (d.first_cycle_start, d.last_cycle_start, d.last_cycle_end, d.cycles)
              IS DISTINCT FROM (u.first, u.last, u.last_end, coalesce(u.cycles, 0)::integer)
    """,
    "a once discount took part in one invoice": """
        SELECT u.project, u.discount_id::text AS subject, format('%s invoices', count(*)) AS detail
        FROM (
            SELECT project, discount_id FROM remaining_entries
            UNION ALL
            SELECT project, discount_id FROM imported_discounts WHERE cycles > 0
        ) u
        JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE d.recurrence = 'once' GROUP BY u.project, u.discount_id HAVING count(*) > 1
    """,
    "a repeating discount stayed in its window": """
        SELECT project, id::text AS subject,
               format('%s months from %s, last %s', duration_in_months, first_cycle_start, last_cycle_start) AS detail
        FROM discounts
        WHERE recurrence = 'repeating'
              AND last_cycle_start >= first_cycle_start + make_interval(months => duration_in_months)
    """,
    "a discount in cycles ends with its last one": """
        SELECT project, id::text AS subject,
               format('cycle %s of %s, ends on %s', cycles, duration_in_cycles, ends_on) AS detail
        FROM discounts
        WHERE duration_in_cycles IS NOT NULL
              AND (cycles > duration_in_cycles
                   OR (ends_on IS NOT NULL) <> (cycles = duration_in_cycles) OR ends_on > last_cycle_end)
    """,
    "a window ends so long after its first period": """
        SELECT project, id::text AS subject, format('from %s to %s', first_cycle_start, ends_on) AS detail
        FROM discounts
        WHERE (duration_in_months IS NOT NULL OR recurrence = 'once')
              AND ends_on IS DISTINCT FROM CASE
                  WHEN recurrence = 'once' THEN last_cycle_end
                  ELSE (first_cycle_start + make_interval(months => duration_in_months))::date
              END
    """,
    "a discount runs until it is over": f"""
        SELECT project, id::text AS subject,
               format('%s %s in %s cycles, ends on %s', recurrence, status, cycles, ends_on) AS detail
        FROM discounts d
        WHERE (status = 'running' AND recurrence = 'once' AND cycles > 0)
              -- Its place may have been taken when a cycle was given back or the discount was extended; totals have a
              -- check of their own.
              OR (status = 'completed' AND entries_given_back = 0 AND {_TOTAL} IS NULL
                  AND NOT EXISTS (
                      SELECT FROM discount_changes c
                      WHERE c.project = d.project AND c.discount_id = d.id AND c.kind = 'extended'
                  )
                  AND CASE recurrence
                      WHEN 'once' THEN cycles = 0
                      WHEN 'forever' THEN true
                      ELSE (ends_on <= (now() AT TIME ZONE 'UTC')::date) IS NOT TRUE
                  END)
    """,  # noqa: S608 - put together from the constant
    "nothing was taken off by a discount that had ended": """
        SELECT u.project, u.discount_id::text AS subject,
               format('ended %s, took something %s', d.ended_at, u.created_at) AS detail
        FROM usage_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE u.created_at > d.ended_at
    """,
    "an invoice reached the minimum of each discount that it got": """
        SELECT u.project, u.invoice AS subject,
               format('%s of at least %s %s', i.positive, d.minimum_subtotal_minor, d.minimum_subtotal_currency)
               AS detail
        FROM usage_entries u
        JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        JOIN (
            SELECT project, invoice, (
                SELECT sum((line ->> 'amount')::bigint) FROM json_array_elements(answer -> 'lines') line
                WHERE (line ->> 'amount')::bigint > 0
            ) AS positive
            FROM invoice_discounts
        ) i ON i.project = u.project AND i.invoice = u.invoice
        WHERE d.minimum_subtotal_minor IS NOT NULL
              AND (u.currency = d.minimum_subtotal_currency AND i.positive >= d.minimum_subtotal_minor) IS NOT TRUE
    """,
    "no subscription runs too many discounts": """
        SELECT project, subscription AS subject, format('%s running', count(*)) AS detail
        FROM discounts WHERE status = 'running' GROUP BY project, subscription
        HAVING count(*) > 20
    """,
}
