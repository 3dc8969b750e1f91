"""What must hold over the whole database about holds, each promise one query that returns its violations."""

# Each query returns project, subject and detail, a row for each violation.
HOLD_CHECKS = {
    "a voucher's open holds are counted": """
        SELECT v.project, v.id::text AS subject, format('counter %s, open %s', v.held, h.open) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT project, voucher_id, count(*) AS open FROM holds WHERE status = 'open' GROUP BY project, voucher_id
        ) h ON h.project = v.project AND h.voucher_id = v.id
        WHERE v.held <> coalesce(h.open, 0)
    """,
    "no voucher holds more places than it has left": """
        SELECT v.project, v.id::text AS subject,
               format('%s taken and %s held of %s', v.redemptions - v.places_returned, h.held,
                      v.maximum_redemptions) AS detail
        FROM vouchers v
        JOIN (
            SELECT project, voucher_id, count(*) AS held
            FROM holds WHERE status = 'open' AND expires_at > now() GROUP BY project, voucher_id
        ) h ON h.project = v.project AND h.voucher_id = v.id
        WHERE v.redemptions - v.places_returned + h.held > v.maximum_redemptions
    """,
    "no code holds more places than it has left": """
        SELECT c.project, c.id::text AS subject,
               format('%s taken and %s held of %s', c.redemptions - c.places_returned, h.held,
                      c.maximum_redemptions) AS detail
        FROM codes c
        JOIN (
            SELECT project, code_id, count(*) AS held
            FROM holds WHERE status = 'open' AND expires_at > now() AND code_id IS NOT NULL GROUP BY project, code_id
        ) h ON h.project = c.project AND h.code_id = c.id
        WHERE c.redemptions - c.places_returned + h.held > c.maximum_redemptions
    """,
    "a confirmed hold is the redemption that was asked for": """
        SELECT h.project, h.id::text AS subject, format('%s, redemption %s', h.request_id, r.id) AS detail
        FROM holds h
        LEFT JOIN redemptions r ON r.project = h.project AND r.request_id = h.request_id AND r.reason IS NULL
        WHERE h.status = 'confirmed'
              AND (r.id, r.voucher_id, r.customer, r.subscription)
                  IS DISTINCT FROM (h.redemption_id, h.voucher_id, h.customer, h.subscription)
    """,
    "what has lapsed had its time": """
        SELECT project, id::text AS subject, format('until %s, closed %s', expires_at, closed_at) AS detail
        FROM holds WHERE status = 'lapsed' AND expires_at > closed_at
    """,
}
