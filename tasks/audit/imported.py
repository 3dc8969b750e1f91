"""Checks of discounts that ran in another system."""

IMPORTED_CHECKS = {
    "imported places are matched one after the other": """
        SELECT v.project, v.id::text AS subject,
               format('matched %s of %s, %s numbers, up to %s', v.imported_matched, v.imported_redemptions,
                      coalesce(r.matched, 0), r.highest) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT r.project, r.voucher_id, count(*) AS matched, max(r.redemption_number) AS highest
            FROM redemptions r JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
            WHERE r.reason IS NULL AND r.redemption_number <= v.imported_redemptions
            GROUP BY r.project, r.voucher_id
        ) r ON r.project = v.project AND r.voucher_id = v.id
        WHERE v.imported_matched <> coalesce(r.matched, 0) OR r.highest <> r.matched
    """,
    "an imported discount is a redemption that came from elsewhere": """
        SELECT coalesce(i.project, d.project) AS project, coalesce(i.discount_id, d.id)::text AS subject,
               format('imported at %s, redeemed at %s, decided at %s', i.created_at, d.created_at,
                      r.decided_at) AS detail
        FROM imported_discounts i
        FULL JOIN (SELECT * FROM discounts WHERE is_imported) d ON d.project = i.project AND d.id = i.discount_id
        LEFT JOIN redemptions r ON r.project = i.project AND r.id = i.discount_id AND r.reason IS NULL
        WHERE (i.created_at, i.subscription, d.created_at, r.code_id)
              IS DISTINCT FROM (r.decided_at, r.subscription, r.effective_at, NULL)
              OR i.ref IS NULL OR d.id IS NULL
              OR r.request_id <> 'import-' || encode(sha256(convert_to(i.ref, 'UTF8')), 'hex')
    """,
    "an imported place belongs to a discount that came from elsewhere": """
        SELECT r.project, r.id::text AS subject,
               format('number %s of %s imported', r.redemption_number, v.imported_redemptions) AS detail
        FROM redemptions r JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
        WHERE r.reason IS NULL AND r.redemption_number <= v.imported_redemptions
              AND NOT EXISTS (SELECT FROM imported_discounts i WHERE i.project = r.project AND i.discount_id = r.id)
    """,
}
