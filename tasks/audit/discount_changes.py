"""Checks of the history of discounts: each change continues from the one before, and the last is what holds now."""

# For each discount and kind of change, the first and the last state, and whether a change begins elsewhere than the one
# before has ended.
_CHAINS = """
    SELECT project, discount_id, kind,
           (array_agg(before ORDER BY number))[1] AS first, (array_agg(after ORDER BY number DESC))[1] AS last,
           coalesce(bool_or(before <> earlier), false) AS has_gap
    FROM (
        SELECT project, discount_id, kind, number, before, after,
               lag(after) OVER (PARTITION BY project, discount_id, kind ORDER BY number) AS earlier
        FROM (
            SELECT project, discount_id, kind, number, coalesce(from_subscription, from_duration::text) AS before,
                   coalesce(to_subscription, to_duration::text) AS after
            FROM discount_changes
        ) c
    ) numbered
    GROUP BY project, discount_id, kind
"""

DISCOUNT_CHANGE_CHECKS = {
    "a discount is where its moves have left it": f"""
        SELECT d.project, d.id::text AS subject,
               format('redeemed on %s, moved from %s to %s, now on %s', r.subscription, m.first, m.last,
                      d.subscription) AS detail
        FROM discounts d
        JOIN redemptions r ON r.project = d.project AND r.id = d.id
        LEFT JOIN ({_CHAINS}) m ON m.project = d.project AND m.discount_id = d.id AND m.kind = 'moved'
        WHERE coalesce(m.first, d.subscription) <> r.subscription
              OR coalesce(m.last, d.subscription) <> d.subscription OR m.has_gap
    """,  # noqa: S608 - put together from the constant above
    "a discount lasts as long as its extensions have made it": f"""
        SELECT d.project, d.id::text AS subject,
               format('voucher %s, extended from %s to %s, now %s', v.duration, e.first, e.last, d.duration) AS detail
        FROM (SELECT *, coalesce(duration_in_months, duration_in_cycles) AS duration FROM discounts) d
        JOIN (SELECT *, coalesce(duration_in_months, duration_in_cycles) AS duration FROM vouchers) v
             ON v.project = d.project AND v.id = d.voucher_id
        LEFT JOIN ({_CHAINS}) e ON e.project = d.project AND e.discount_id = d.id AND e.kind = 'extended'
        WHERE coalesce(e.first, d.duration::text) IS DISTINCT FROM v.duration::text
              OR coalesce(e.last, d.duration::text) IS DISTINCT FROM d.duration::text OR e.has_gap
              OR (d.duration_in_months IS NULL) <> (v.duration_in_months IS NULL)
    """,  # noqa: S608 - put together from the constant above
    "changes of a discount are numbered without a gap": """
        SELECT project, discount_id::text AS subject, format('%s changes, up to %s', count(*), max(number)) AS detail
        FROM discount_changes GROUP BY project, discount_id
        HAVING min(number) <> 1 OR max(number) <> count(*)
    """,
    "a discount was ended if its history says so, and nothing was changed after that": """
        SELECT d.project, d.id::text AS subject, format('ended %s, told %s', d.ended_at, c.ended_at) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, min(created_at) FILTER (WHERE kind = 'ended') AS ended_at,
                   max(number) > min(number) FILTER (WHERE kind = 'ended') AS is_changed_later
            FROM discount_changes GROUP BY project, discount_id
        ) c ON c.project = d.project AND c.discount_id = d.id
        WHERE c.ended_at IS DISTINCT FROM d.ended_at OR c.is_changed_later
    """,
    "an invoice is discounted by the discounts of its subscription": """
        SELECT u.project, u.discount_id::text AS subject,
               format('invoice %s of %s, discount on %s', u.invoice, i.subscription, placed.subscription) AS detail
        FROM usage_entries u
        JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        JOIN invoice_discounts i ON i.project = u.project AND i.invoice = u.invoice
        LEFT JOIN LATERAL (
            -- The next move after the entry began where the discount was at that time.
            SELECT from_subscription FROM discount_changes c
            WHERE c.project = u.project AND c.discount_id = u.discount_id AND c.kind = 'moved'
                  AND c.created_at >= u.created_at
            ORDER BY number LIMIT 1
        ) next_move ON true
        CROSS JOIN LATERAL (SELECT coalesce(next_move.from_subscription, d.subscription) AS subscription) placed
        WHERE placed.subscription <> i.subscription
    """,
}
