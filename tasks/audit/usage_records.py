"""Checks of recorded usage, and of completed stamp cards."""

USAGE_RECORD_CHECKS = {
    "what a recorded use was answered is what the ledger says": """
        SELECT project, ref AS subject, format('answered %s %s %s %s, ledger %s %s %s %s',
                                               answer ->> 'usage', answer ->> 'stamp', answer ->> 'amount',
                                               answer ->> 'reason', usage, stamp, amount_minor, reason) AS detail
        FROM usage_records
        WHERE (answer ->> 'ref', answer ->> 'customer', answer ->> 'refType', answer ->> 'reason',
               (answer ->> 'usage')::bigint, (answer ->> 'stamp')::bigint, (answer ->> 'amount')::bigint,
               coalesce(answer -> 'redemption' ->> 'outcome', '') = 'accepted')
              IS DISTINCT FROM
              (ref, customer, ref_type, reason, usage, stamp::bigint, amount_minor, discount_id IS NOT NULL)
    """,
    "a stamp card's discounts were granted by the entries that completed it": """
        SELECT coalesce(d.project, u.project) AS project, coalesce(d.id, u.discount_id)::text AS subject,
               format('discount %s, entry %s', d.id, u.ref) AS detail
        FROM (
            SELECT d.* FROM discounts d
            JOIN vouchers v ON v.project = d.project AND v.id = d.voucher_id AND v.stamps_required IS NOT NULL
            -- A card of another system is complete there.
            WHERE NOT d.is_imported
        ) d
        FULL JOIN (SELECT * FROM usage_records WHERE discount_id IS NOT NULL) u
             ON u.project = d.project AND u.discount_id = d.id AND u.voucher_id = d.voucher_id
                AND u.customer = d.customer
        WHERE d.id IS NULL OR u.discount_id IS NULL
    """,
    "no card was completed without its stamps": """
        SELECT u.project, u.voucher_id::text AS subject,
               format('%s cards of %s with %s stamps by one customer', u.cards, v.stamps_required, u.stamps) AS detail
        FROM (
            SELECT project, voucher_id, customer, created_at, discount_id,
                   sum(stamp) OVER so_far AS stamps, count(discount_id) OVER so_far AS cards
            FROM usage_records WHERE stamp > 0
            WINDOW so_far AS (PARTITION BY project, voucher_id, customer ORDER BY created_at)
        ) u
        JOIN vouchers v ON v.project = u.project AND v.id = u.voucher_id
        WHERE u.discount_id IS NOT NULL AND u.cards * v.stamps_required > u.stamps
    """,
}
