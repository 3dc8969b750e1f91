"""Checks of the places that were returned to a voucher, a code or a customer."""

from models.reversal_kinds import GIVES_BACK
from tasks.audit.reversals import RETURNED_LINES

# The TypeID of a discount. The suffix is the 128 bits of the UUID, after two zero bits, in 26 groups of five bits.
_DISCOUNT_ON_THE_WIRE = """
    SELECT 'dis_' || string_agg(
               substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + substring(bits FROM 1 + 5 * n FOR 5)::bit(5)::int, 1),
               '' ORDER BY n
           )
    FROM generate_series(0, 25) n, (SELECT B'00' || ('x' || replace(u.discount_id::text, '-', ''))::bit(128) AS bits) b
"""
# For each discount and refunded invoice: the instant of the refund that completed all lines, null before that.
_REFUNDED_ENTRIES = f"""
    SELECT u.project, u.discount_id, u.invoice,
           CASE WHEN bool_and(refunds.refunded IS NOT DISTINCT FROM (billed ->> 'amount')::bigint)
                THEN max(refunds.latest_at) END AS refunded_at
    FROM (SELECT DISTINCT project, discount_id, invoice FROM usage_reversals WHERE kind = 'refunded') u
    JOIN invoice_discounts i ON i.project = u.project AND i.invoice = u.invoice
    CROSS JOIN LATERAL json_array_elements(i.answer -> 'discounts') discount
    CROSS JOIN LATERAL json_array_elements(i.answer -> 'lines') WITH ORDINALITY lines (billed, position)
    LEFT JOIN ({RETURNED_LINES}) refunds
           ON refunds.project = i.project AND refunds.invoice = i.invoice AND refunds.line = billed ->> 'id'
    WHERE discount ->> 'discount' = ({_DISCOUNT_ON_THE_WIRE})
          -- A large answer has the amounts in the order of the lines.
          AND CASE json_typeof(discount -> 'lines')
              WHEN 'array' THEN discount -> 'lines' ->> (position::int - 1)
              ELSE discount -> 'lines' ->> (billed ->> 'id')
              END IS NOT NULL
    GROUP BY 1, 2, 3
"""  # noqa: S608 - put together from the constants above
# For each discounted invoice: the instants at which the entry was refunded in full, given back and charged back.
_PURCHASES = f"""
    SELECT u.project, u.discount_id, u.created_at, r.given_back_at, r.charged_back_at, l.refunded_at
    FROM usage_entries u
    LEFT JOIN (
        SELECT project, discount_id, invoice, min(created_at) FILTER (WHERE {GIVES_BACK}) AS given_back_at,
               min(created_at) FILTER (WHERE kind = 'charged_back') AS charged_back_at
        FROM usage_reversals GROUP BY project, discount_id, invoice
    ) r ON r.project = u.project AND r.discount_id = u.discount_id AND r.invoice = u.invoice
    LEFT JOIN ({_REFUNDED_ENTRIES}) l
           ON l.project = u.project AND l.discount_id = u.discount_id AND l.invoice = u.invoice
"""  # noqa: S608 - put together from the constants above

RETURNED_PLACE_CHECKS = {
    "a place is free again for a redemption that had one": """
        SELECT p.project, p.discount_id::text AS subject, format('of voucher %s', p.voucher_id) AS detail
        FROM returned_places p
        LEFT JOIN redemptions r ON r.project = p.project AND r.id = p.discount_id AND r.reason IS NULL
        WHERE (r.voucher_id, r.customer) IS DISTINCT FROM (p.voucher_id, p.customer)
              OR (p.kind = 'whole' AND r.code_id IS DISTINCT FROM p.code_id)
    """,
    "the places that are free again are counted": """
        SELECT v.project, v.id::text AS subject,
               format('%s, returned %s', v.places_returned, coalesce(p.places, 0)) AS detail
        FROM (
            -- A voucher and the code that it was created with have the same id.
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
              OR (p.kind = 'customer' AND d.carry_over)
              OR (p.kind = 'customer' AND EXISTS (
                  SELECT FROM imported_discounts i
                  WHERE i.project = p.project AND i.discount_id = p.discount_id AND i.cycles > 0
              ))
              OR (p.kind = 'customer' AND NOT EXISTS (
                  SELECT FROM usage_reversals r
                  WHERE r.project = p.project AND r.discount_id = p.discount_id AND r.is_in_full
              ))
              OR EXISTS (
                  SELECT FROM usage_reversals r
                  WHERE r.project = p.project AND r.discount_id = p.discount_id AND r.kind = 'charged_back'
                        AND r.created_at <= p.created_at
              )
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
            -- As it was then: a running discount may take something off again.
            HAVING count(u.discount_id) FILTER (WHERE (u.given_back_at <= p.created_at) IS NOT TRUE) = 0
                   OR bool_or((u.given_back_at <= p.created_at) IS NOT TRUE
                              AND (u.refunded_at <= p.created_at) IS NOT TRUE)
                   OR bool_or(u.charged_back_at <= p.created_at)
            UNION ALL
            SELECT u.project, u.discount_id, 'is not free, and all was refunded'
            FROM ({_PURCHASES}) u
            JOIN discounts d ON d.project = u.project AND d.id = u.discount_id AND NOT d.carry_over
            WHERE NOT EXISTS (
                SELECT FROM imported_discounts i
                WHERE i.project = u.project AND i.discount_id = u.discount_id AND i.cycles > 0
            )
            GROUP BY u.project, u.discount_id
            HAVING count(*) FILTER (WHERE u.given_back_at IS NULL) > 0
                   AND bool_and(u.given_back_at IS NOT NULL OR u.refunded_at IS NOT NULL)
                   AND count(u.charged_back_at) = 0
                   AND NOT EXISTS (
                       SELECT FROM returned_places p WHERE p.project = u.project AND p.discount_id = u.discount_id
                   )
        ) found
    """,  # noqa: S608 - put together from the constants above
}
