"""Checks of codes and of their generation."""

CODE_CHECKS = {
    "a code's redemptions are counted": """
        SELECT c.project, c.id::text AS subject, format('counter %s, accepted %s', c.redemptions, r.accepted) AS detail
        FROM codes c
        LEFT JOIN (
            SELECT project, code_id, count(*) AS accepted
            FROM redemptions WHERE reason IS NULL AND code_id IS NOT NULL GROUP BY project, code_id
        ) r ON r.project = c.project AND r.code_id = c.id
        WHERE c.redemptions <> coalesce(r.accepted, 0)
    """,
    "no code is over-redeemed": """
        SELECT project, id::text AS subject, format('%s of %s', redemptions, maximum_redemptions) AS detail
        FROM codes WHERE redemptions < 0 OR redemptions - places_returned > maximum_redemptions
    """,
    "a full code is retired": """
        SELECT project, id::text AS subject, format('%s of %s', redemptions, maximum_redemptions) AS detail
        FROM codes WHERE redemptions - places_returned >= maximum_redemptions AND retired_reason IS NULL
    """,
    "a redemption names a code of its voucher": """
        SELECT r.project, r.id::text AS subject, format('code %s of voucher %s', r.code_id, c.voucher_id) AS detail
        FROM redemptions r LEFT JOIN codes c ON c.project = r.project AND c.id = r.code_id
        WHERE r.code_id IS NOT NULL AND c.voucher_id IS DISTINCT FROM r.voucher_id
    """,
    "nothing was redeemed by a code that had expired": """
        SELECT r.project, r.id::text AS subject, format('decided for %s', r.effective_at) AS detail
        FROM redemptions r JOIN codes c ON c.project = r.project AND c.id = r.code_id
        WHERE r.reason IS NULL AND r.effective_at >= c.expires_at
    """,
    "nothing was redeemed by a code of another customer": """
        SELECT r.project, r.id::text AS subject, 'by another customer than the code''s' AS detail
        FROM redemptions r JOIN codes c ON c.project = r.project AND c.id = r.code_id
        WHERE r.reason IS NULL AND r.customer <> c.customer
    """,
    "no customer exceeds a code's limit": """
        SELECT c.project, c.id::text AS subject, format('%s by one customer', count(*) - count(p.discount_id)) AS detail
        FROM redemptions r JOIN codes c ON c.project = r.project AND c.id = r.code_id
        LEFT JOIN returned_places p ON p.project = r.project AND p.discount_id = r.id
        WHERE r.reason IS NULL AND c.maximum_redemptions_per_customer IS NOT NULL
        GROUP BY c.project, c.id, r.customer, c.maximum_redemptions_per_customer
        HAVING count(*) - count(p.discount_id) > c.maximum_redemptions_per_customer
    """,
    "a generation made as many codes as it says": """
        SELECT g.project, g.id::text AS subject, format('counter %s, codes %s', g.generated, c.codes) AS detail
        FROM code_generations g
        LEFT JOIN (
            SELECT project, generation_id, voucher_id, count(*) AS codes
            FROM codes WHERE generation_id IS NOT NULL GROUP BY project, generation_id, voucher_id
        ) c ON c.project = g.project AND c.generation_id = g.id AND c.voucher_id = g.voucher_id
        WHERE g.generated <> coalesce(c.codes, 0)
    """,
    "the code that a voucher shows is one of its codes": """
        SELECT v.project, v.id::text AS subject, 'no such code' AS detail
        FROM vouchers v
        WHERE v.code IS NOT NULL AND NOT EXISTS (
            SELECT FROM codes c
            WHERE c.project = v.project AND c.voucher_id = v.id AND c.is_primary AND c.code = v.code
        )
    """,
}
