"""The audit: what must hold over the whole database, each promise one query that returns its violations."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import read_one_snapshot
from tasks.audit_caps import CAP_CHECKS
from tasks.audit_holds import HOLD_CHECKS
from tasks.audit_places import PLACE_CHECKS
from tasks.audit_reversals import REVERSAL_CHECKS, STANDING_ENTRIES
from worker.db import transaction

# Each query returns project, subject and detail, a row for each violation.
CHECKS = {
    "redemptions are counted and numbered without a gap": """
        SELECT v.project, v.id::text AS subject,
               format('counter %s, imported %s, accepted %s, numbers %s to %s',
                      v.redemptions, v.imported_redemptions, r.accepted, r.lowest, r.highest) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT project, voucher_id, count(*) AS accepted,
                   min(redemption_number) AS lowest, max(redemption_number) AS highest
            FROM redemptions WHERE reason IS NULL GROUP BY project, voucher_id
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
        SELECT r.project, r.voucher_id::text AS subject, format('%s by one customer', count(*)) AS detail
        FROM redemptions r JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
        LEFT JOIN returned_places p ON p.project = r.project AND p.discount_id = r.id
        LEFT JOIN holds h ON h.project = r.project AND h.redemption_id = r.id AND r.decided_at < h.expires_at
        WHERE r.reason IS NULL AND v.maximum_redemptions_per_customer IS NOT NULL
        GROUP BY r.project, r.voucher_id, r.customer, v.maximum_redemptions_per_customer, v.updated_at
        HAVING count(*) - count(p.discount_id) > v.maximum_redemptions_per_customer
               -- The limit may have been lowered since: it counts for whoever redeemed, or held a place, after that.
               AND max(coalesce(h.created_at, r.decided_at)) >= coalesce(v.updated_at, '-infinity')
    """,
    "accepted redemptions and no others have a discount": """
        SELECT coalesce(r.project, d.project) AS project, coalesce(r.id, d.id)::text AS subject,
               format('redemption %s %s, discount %s', r.request_id, coalesce(r.reason, 'accepted'), d.id) AS detail
        FROM redemptions r FULL JOIN discounts d ON d.project = r.project AND d.id = r.id
        WHERE (r.reason IS NULL) <> (d.id IS NOT NULL) OR r.id IS NULL
              OR (d.voucher_id, d.customer, d.subscription) <> (r.voucher_id, r.customer, r.subscription)
    """,
    "nothing was redeemed outside its voucher's window": """
        SELECT r.project, r.id::text AS subject, format('decided for %s', r.effective_at) AS detail
        FROM redemptions r JOIN vouchers v ON v.project = r.project AND v.id = r.voucher_id
        WHERE r.reason IS NULL AND (r.effective_at < v.starts_at OR r.effective_at >= v.expires_at)
              -- The window may have been moved since, or since the place was held.
              AND coalesce((
                  SELECT h.created_at FROM holds h
                  -- One that had lapsed was judged anew.
                  WHERE h.project = r.project AND h.redemption_id = r.id AND r.decided_at < h.expires_at
              ), r.decided_at) >= coalesce(v.updated_at, '-infinity')
    """,
    "no subscription runs too many discounts": """
        SELECT project, subscription AS subject, format('%s running', count(*)) AS detail
        FROM discounts WHERE status = 'running' GROUP BY project, subscription
        HAVING count(*) > 20
    """,
    "a fixed discount gave no more than its amount in a period": """
        SELECT project, discount_id::text AS subject, format('period from %s: %s', period_start, string_agg(
                   format('%s of %s %s', taken, allowance, currency), ', ')) AS detail
        FROM (
            SELECT u.project, u.discount_id, u.period_start, u.currency, sum(u.amount_minor) AS taken,
                   (d.amounts_minor ->> u.currency)::numeric AS allowance
            FROM standing_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
            WHERE d.amounts_minor IS NOT NULL
            GROUP BY u.project, u.discount_id, u.period_start, u.currency, d.amounts_minor
        ) each
        GROUP BY project, discount_id, period_start
        HAVING bool_or(allowance IS NULL) OR round(sum(taken / allowance), 15) > 1
    """,
    "a balance gave no more than its amount": """
        SELECT project, discount_id::text AS subject, string_agg(
                   format('%s of %s %s', taken, allowance, currency), ', ') AS detail
        FROM (
            SELECT u.project, u.discount_id, u.currency, sum(u.amount_minor) AS taken,
                   (d.amounts_minor ->> u.currency)::numeric AS allowance
            FROM standing_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
            WHERE d.carry_over
            GROUP BY u.project, u.discount_id, u.currency, d.amounts_minor
        ) each
        GROUP BY project, discount_id
        HAVING bool_or(allowance IS NULL) OR round(sum(taken / allowance), 15) > 1
    """,
    "a balance that is used up is completed": """
        SELECT project, id::text AS subject, format('%s of %s', taken, amounts_minor) AS detail
        FROM (
            SELECT d.project, d.id, d.amounts_minor, string_agg(format('%s %s', u.taken, u.currency), ', ') AS taken,
                   sum(u.taken / (d.amounts_minor ->> u.currency)::numeric) AS share,
                   (SELECT max(value::numeric) FROM jsonb_each_text(d.amounts_minor)) AS largest
            FROM discounts d JOIN (
                SELECT project, discount_id, currency, sum(amount_minor) AS taken
                FROM standing_entries GROUP BY project, discount_id, currency
            ) u ON u.project = d.project AND u.discount_id = d.id
            WHERE d.carry_over AND d.status = 'running'
            GROUP BY d.project, d.id, d.amounts_minor
        ) each
        -- Not one unit of any currency is left. A quotient of numerics is not exact in its last digits.
        WHERE round(largest * (1 - share), 4) < 1
    """,
    "what a recorded use was answered is what the ledger says": """
        SELECT project, ref AS subject, format('answered %s, ledger %s %s %s %s', answer, usage, stamp, amount_minor,
                                               reason) AS detail
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
    "what an invoice was answered is what the ledger says": """
        SELECT i.project, i.invoice AS subject,
               format('answered %s, ledger %s', i.answer ->> 'discountTotal', coalesce(u.total, 0)) AS detail
        FROM invoice_discounts i
        LEFT JOIN (
            SELECT project, invoice, sum(amount_minor) AS total FROM usage_entries GROUP BY project, invoice
        ) u ON u.project = i.project AND u.invoice = i.invoice
        WHERE (i.answer ->> 'discountTotal')::bigint <> coalesce(u.total, 0)
    """,
    "a discount's progress is what the ledger says": """
        SELECT d.project, d.id::text AS subject,
               format('%s to %s, %s, in %s cycles, ledger %s to %s, %s, in %s', d.first_period_start,
                      d.last_period_start, d.last_period_end, d.cycles, u.first, u.last, u.last_end, u.cycles) AS detail
        FROM discounts d
        LEFT JOIN (
            SELECT project, discount_id, min(period_start) AS first, max(period_start) AS last,
                   max(period_end) AS last_end, count(DISTINCT period_start) AS cycles
            FROM standing_entries GROUP BY project, discount_id
        ) u ON u.project = d.project AND u.discount_id = d.id
        WHERE (d.first_period_start, d.last_period_start, d.last_period_end, d.cycles)
              IS DISTINCT FROM (u.first, u.last, u.last_end, coalesce(u.cycles, 0)::integer)
    """,
    "a once discount took part in one invoice": """
        SELECT u.project, u.discount_id::text AS subject, format('%s invoices', count(*)) AS detail
        FROM standing_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE d.recurrence = 'once' GROUP BY u.project, u.discount_id HAVING count(*) > 1
    """,
    "a repeating discount stayed in its window": """
        SELECT project, id::text AS subject,
               format('%s months from %s, last %s', duration_in_months, first_period_start, last_period_start) AS detail
        FROM discounts
        WHERE recurrence = 'repeating'
              AND last_period_start >= first_period_start + make_interval(months => duration_in_months)
    """,
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
        SELECT r.project, r.id::text AS subject, format('by %s, for %s', r.customer, c.customer) AS detail
        FROM redemptions r JOIN codes c ON c.project = r.project AND c.id = r.code_id
        WHERE r.reason IS NULL AND r.customer <> c.customer
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
    "a discount in cycles ends with its last one": """
        SELECT project, id::text AS subject,
               format('cycle %s of %s, ends on %s', cycles, duration_in_cycles, ends_on) AS detail
        FROM discounts
        WHERE duration_in_cycles IS NOT NULL
              AND (cycles > duration_in_cycles
                   OR (ends_on IS NOT NULL) <> (cycles = duration_in_cycles) OR ends_on > last_period_end)
    """,
    **HOLD_CHECKS,
    **REVERSAL_CHECKS,
    **PLACE_CHECKS,
    **CAP_CHECKS,
}

# A task's connection is set up to find few rows by their keys, and quickly. The audit reads them all.
WHOLE_DATABASE_SETTINGS = (
    "statement_timeout = 0",
    "enable_seqscan = on",
    "enable_bitmapscan = on",
    "enable_mergejoin = on",
    "enable_hashjoin = on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that does not hold: which, in which project, for which row, and by how much."""

    check: str
    project: str
    subject: str
    detail: str


def audit() -> list[Violation]:
    """This function will return every violation in the database; an empty list is what it is for."""
    with transaction() as session:
        # It reads everything, however long that takes, in one snapshot: redemptions go on meanwhile.
        read_one_snapshot(session)
        for setting in WHOLE_DATABASE_SETTINGS:
            session.execute(text(f"SET LOCAL {setting}"))
        return [violation for check in CHECKS for violation in run_check(session, check=check)]


def run_check(session: Session, *, check: str) -> list[Violation]:
    """This function will run one of the checks and return a row for each violation."""
    rows = session.execute(text(STANDING_ENTRIES + CHECKS[check]))
    return [Violation(check=check, project=row.project, subject=row.subject, detail=row.detail) for row in rows]
