"""Checks of holds."""

# A hold has lapsed by clock_timestamp(), not by now(), at which the transaction of the audit began. The snapshot is
# younger: a hold that lapsed in between may have been swept already, and the place taken again.
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
            FROM holds WHERE status = 'open' AND expires_at > clock_timestamp() GROUP BY project, voucher_id
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
            FROM holds WHERE status = 'open' AND expires_at > clock_timestamp() AND code_id IS NOT NULL
            GROUP BY project, code_id
        ) h ON h.project = c.project AND h.code_id = c.id
        WHERE c.redemptions - c.places_returned + h.held > c.maximum_redemptions
    """,
    "a confirmed hold is the redemption that was asked for": """
        SELECT h.project, h.id::text AS subject, format('%s, redemption %s', h.request_id, r.id) AS detail
        FROM holds h
        LEFT JOIN redemptions r ON r.project = h.project AND r.request_id = h.request_id AND r.reason IS NULL
        WHERE h.status = 'confirmed'
              AND (r.id, r.voucher_id, r.code_id, r.customer, r.subscription)
                  IS DISTINCT FROM (h.redemption_id, h.voucher_id, h.code_id, h.customer, h.subscription)
    """,
    "no customer holds more places than it may have": """
        SELECT v.project, v.id::text AS subject,
               format('%s taken or held by one customer, of %s', places.taken, v.maximum_redemptions_per_customer
               ) AS detail
        FROM vouchers v
        JOIN (
            SELECT project, voucher_id, customer, last_judged_at, sum(places) AS taken
            FROM (
                -- Imports are not judged here: an import counts if it was there before a place that was judged.
                SELECT *, max(since) FILTER (WHERE is_judged) OVER of_customer AS last_judged_at,
                       bool_or(is_held) OVER of_customer AS has_hold
                FROM (
                    SELECT project, voucher_id, customer, 1 AS places, created_at AS since, true AS is_held,
                           true AS is_judged
                    FROM holds WHERE status = 'open' AND expires_at > clock_timestamp()
                    UNION ALL
                    SELECT r.project, r.voucher_id, r.customer, CASE WHEN p.discount_id IS NULL THEN 1 ELSE 0 END,
                           coalesce(h.created_at, r.decided_at), false, i.discount_id IS NULL
                    FROM redemptions r
                    LEFT JOIN imported_discounts i ON i.project = r.project AND i.discount_id = r.id
                    LEFT JOIN returned_places p ON p.project = r.project AND p.discount_id = r.id
                    LEFT JOIN holds h ON h.project = r.project AND h.redemption_id = r.id
                                         AND r.decided_at < h.expires_at
                    WHERE r.reason IS NULL
                ) each
                WINDOW of_customer AS (PARTITION BY project, voucher_id, customer)
            ) each
            WHERE has_hold AND since <= last_judged_at
            GROUP BY project, voucher_id, customer, last_judged_at
        ) places ON places.project = v.project AND places.voucher_id = v.id
        WHERE places.taken > v.maximum_redemptions_per_customer
              -- The limit may have been lowered since: it binds customers who redeemed, or held a place, after that.
              AND places.last_judged_at >= coalesce(v.updated_at, '-infinity')
    """,
    "no customer holds more places of a code than it may have": """
        SELECT c.project, c.id::text AS subject,
               format('%s taken or held by one customer, of %s', places.taken, c.maximum_redemptions_per_customer
               ) AS detail
        FROM codes c
        JOIN (
            SELECT project, code_id, customer, sum(places) AS taken
            FROM (
                SELECT project, code_id, customer, 1 AS places, true AS is_held
                FROM holds WHERE status = 'open' AND expires_at > clock_timestamp() AND code_id IS NOT NULL
                UNION ALL
                SELECT r.project, r.code_id, r.customer, CASE WHEN p.discount_id IS NULL THEN 1 ELSE 0 END, false
                FROM redemptions r
                LEFT JOIN returned_places p ON p.project = r.project AND p.discount_id = r.id
                WHERE r.reason IS NULL AND r.code_id IS NOT NULL
            ) each
            GROUP BY project, code_id, customer HAVING bool_or(is_held)
        ) places ON places.project = c.project AND places.code_id = c.id
        WHERE places.taken > c.maximum_redemptions_per_customer
    """,
    "a hold names a code of its voucher": """
        SELECT h.project, h.id::text AS subject, format('code %s of voucher %s', h.code_id, c.voucher_id) AS detail
        FROM holds h LEFT JOIN codes c ON c.project = h.project AND c.id = h.code_id
        WHERE h.code_id IS NOT NULL AND c.voucher_id IS DISTINCT FROM h.voucher_id
    """,
    "what has lapsed had its time": """
        SELECT project, id::text AS subject, format('until %s, closed %s', expires_at, closed_at) AS detail
        FROM holds WHERE status = 'lapsed' AND (expires_at > closed_at OR expires_at > clock_timestamp())
    """,
}
