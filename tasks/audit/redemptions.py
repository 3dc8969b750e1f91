"""Checks of vouchers and their redemptions."""

REDEMPTION_CHECKS = {
    "redemptions are counted and numbered without a gap": """
        SELECT v.project, v.id::text AS subject,
               format('counter %s, imported %s, accepted %s, numbers %s to %s',
                      v.redemptions, v.imported_redemptions, r.accepted, r.lowest, r.highest) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT r.project, r.voucher_id, count(*) AS accepted,
                   min(redemption_number) AS lowest, max(redemption_number) AS highest
            FROM redemptions r JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
            -- The numbers up to that belong to discounts that came over later.
            WHERE r.reason IS NULL AND r.redemption_number > v.imported_redemptions
            GROUP BY r.project, r.voucher_id
        ) r ON r.project = v.project AND r.voucher_id = v.id
        WHERE v.redemptions <> v.imported_redemptions + coalesce(r.accepted, 0)
              OR r.lowest <> v.imported_redemptions + 1 OR r.highest <> v.redemptions
    """,
    "no voucher is over-redeemed": """
        SELECT project, id::text AS subject, format('%s of %s', redemptions, maximum_redemptions) AS detail
        FROM vouchers WHERE redemptions < 0 OR redemptions - places_returned > maximum_redemptions
    """,
    "a full voucher is retired": """
        SELECT project, id::text AS subject, format('%s of %s', redemptions, maximum_redemptions) AS detail
        FROM vouchers WHERE redemptions - places_returned >= maximum_redemptions AND retired_reason IS NULL
    """,
    "what was retired as expired or full is so": """
        SELECT project, id::text AS subject,
               format('%s: until %s, %s of %s', retired_reason, expires_at, redemptions, maximum_redemptions) AS detail
        FROM vouchers
        WHERE (retired_reason = 'expired' AND (expires_at > now()) IS NOT FALSE)
              OR (retired_reason = 'maxRedemptionsReached'
                  AND (redemptions - places_returned < maximum_redemptions) IS NOT FALSE)
    """,
    "no customer exceeds a voucher's limit": """
        SELECT project, voucher_id::text AS subject, format('%s by one customer', count(*)) AS detail
        FROM (
            -- A place was judged when it was redeemed or held. Imports are not judged here: an import counts if it was
            -- there before a place that was judged.
            SELECT r.project, r.voucher_id, r.customer, v.maximum_redemptions_per_customer, v.updated_at, p.discount_id,
                   coalesce(h.created_at, r.decided_at) AS taken_at,
                   max(coalesce(h.created_at, r.decided_at)) FILTER (WHERE i.discount_id IS NULL) OVER (
                       PARTITION BY r.project, r.voucher_id, r.customer
                   ) AS last_judged_at
            FROM redemptions r
            JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
                               AND v.maximum_redemptions_per_customer IS NOT NULL
            LEFT JOIN imported_discounts i ON i.project = r.project AND i.discount_id = r.id
            LEFT JOIN returned_places p ON p.project = r.project AND p.discount_id = r.id
            LEFT JOIN holds h ON h.project = r.project AND h.redemption_id = r.id AND r.decided_at < h.expires_at
            WHERE r.reason IS NULL
        ) places
        -- The limit may have been lowered since: it binds customers who redeemed, or held a place, after that.
        WHERE taken_at <= last_judged_at AND last_judged_at >= coalesce(updated_at, '-infinity')
        GROUP BY project, voucher_id, customer, maximum_redemptions_per_customer
        HAVING count(*) - count(discount_id) > maximum_redemptions_per_customer
    """,
    "accepted redemptions and no others have a discount": """
        SELECT coalesce(r.project, d.project) AS project, coalesce(r.id, d.id)::text AS subject,
               format('redemption %s %s, discount %s', r.request_id, coalesce(r.reason, 'accepted'), d.id) AS detail
        FROM redemptions r FULL JOIN discounts d ON d.project = r.project AND d.id = r.id
        WHERE (r.reason IS NULL) <> (d.id IS NOT NULL) OR r.id IS NULL
              OR (d.voucher_id, d.customer) <> (r.voucher_id, r.customer)
    """,
    "nothing was redeemed outside its voucher's window": """
        SELECT r.project, r.id::text AS subject, format('decided for %s', r.effective_at) AS detail
        FROM redemptions r JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
        WHERE r.reason IS NULL AND (r.effective_at < v.starts_at OR r.effective_at >= v.expires_at)
              AND NOT EXISTS (
                  SELECT FROM imported_discounts i WHERE i.project = r.project AND i.discount_id = r.id
              )
              -- The window may have been moved since the redemption, or since the place was held.
              AND coalesce((
                  SELECT h.created_at FROM holds h
                  -- A redemption under a lapsed hold was judged anew.
                  WHERE h.project = r.project AND h.redemption_id = r.id AND r.decided_at < h.expires_at
              ), r.decided_at) >= coalesce(v.updated_at, '-infinity')
    """,
    "nothing was redeemed for an instant that was too long ago": """
        SELECT r.project, r.id::text AS subject, format('decided at %s for %s', r.decided_at, r.effective_at) AS detail
        FROM redemptions r
        -- The maximum of SCRIP_REQUESTED_AT_GRACE_SECONDS: its value may have been changed since.
        WHERE r.reason IS NULL AND r.effective_at < r.decided_at - interval '1 day'
              AND NOT EXISTS (
                  SELECT FROM imported_discounts i WHERE i.project = r.project AND i.discount_id = r.id
              )
              -- A place that was held counts for the instant at which it was held.
              AND NOT EXISTS (
                  SELECT FROM holds h
                  WHERE h.project = r.project AND h.redemption_id = r.id AND r.decided_at < h.expires_at
                        AND r.effective_at >= h.created_at - interval '1 day'
              )
    """,
}
