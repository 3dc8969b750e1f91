"""The audit notices every broken promise: each check is made to fail, by a row that no constraint forbids."""

import pytest

from tasks.audit.audit import CHECKS, audit
from tasks.audit.holds import HOLD_CHECKS
from tasks.audit.places import PLACE_CHECKS
from tasks.audit.reversals import REVERSAL_CHECKS
from tests.support.holds import confirm, reserve
from tests.support.requests import apply, create_voucher, record
from tests.support.tampering import tamper
from tests.support.tasks import task_named

# For each check, a change that breaks its promise and no other.
TAMPERING = {
    "redemptions are counted and numbered without a gap": "UPDATE redemptions SET redemption_number = 5",
    "a full voucher is retired": "UPDATE vouchers SET maximum_redemptions = redemptions",
    "what was retired as expired or full is so": "UPDATE vouchers SET retired_reason = 'expired', retired_at = now()",
    "no customer exceeds a voucher's limit": """
        UPDATE vouchers SET maximum_redemptions_per_customer = 1, redemptions = 2;
        INSERT INTO redemptions SELECT project, 'copy', gen_random_uuid(), fingerprint, voucher_id, code, customer,
               subscription, reason, 2, effective_at, decided_at FROM redemptions;
        UPDATE redemptions SET subscription = 'sub_2' WHERE request_id = 'copy';
        INSERT INTO discounts SELECT d.project, r.id, d.voucher_id, d.customer, 'sub_2',
               d.created_at, d.percentage_basis_points, d.amounts_minor, d.recurrence, d.duration_in_months,
               d.products, d.starts_on, d.starts_on_in_utc
        FROM discounts d, redemptions r WHERE r.request_id = 'copy'
    """,
    "accepted redemptions and no others have a discount": """
        DELETE FROM usage_entries; DELETE FROM invoice_discounts; DELETE FROM discounts
    """,
    "nothing was redeemed outside its voucher's window": "UPDATE vouchers SET starts_at = now()",
    "nothing was redeemed for an instant that was too long ago": """
        UPDATE redemptions SET effective_at = decided_at - interval '1 day 1 second' WHERE reason IS NULL
    """,
    "no subscription runs too many discounts": """
        UPDATE vouchers SET redemptions = 21;
        INSERT INTO vouchers (project, id, created_at, name, percentage_basis_points, amounts_minor, currency,
                              recurrence, duration_in_months, redemptions, metadata)
        SELECT project, gen_random_uuid(), created_at, name, percentage_basis_points, amounts_minor, currency,
               recurrence, duration_in_months, 1, metadata
        FROM vouchers, generate_series(2, 21);
        UPDATE vouchers SET redemptions = 1;
        INSERT INTO redemptions SELECT r.project, v.id::text, gen_random_uuid(), r.fingerprint, v.id, r.code,
               r.customer, r.subscription, r.reason, 1, r.effective_at, r.decided_at
        FROM redemptions r, vouchers v WHERE v.id <> r.voucher_id;
        INSERT INTO discounts SELECT d.project, r.id, r.voucher_id, d.customer, d.subscription,
               d.created_at, d.percentage_basis_points, d.amounts_minor, d.recurrence, d.duration_in_months,
               d.products, d.starts_on, d.starts_on_in_utc
        FROM discounts d, redemptions r WHERE r.id <> d.id
    """,
    "a fixed discount gave no more than its amount in a period": """
        UPDATE discounts SET amounts_minor = '{"USD": 499, "EUR": 999}'
    """,
    "a balance gave no more than its amount": """
        INSERT INTO invoice_discounts SELECT project, 'later', fingerprint, subscription, customer,
               '{"discountTotal": 1}', applied_at FROM invoice_discounts;
        INSERT INTO usage_entries SELECT project, discount_id, 'later', gen_random_uuid(),
               (period_start + interval '1 month')::date, (period_end + interval '1 month')::date,
               currency, 1, created_at FROM usage_entries;
        UPDATE discounts SET carry_over = true, status = 'completed', cycles = 2,
               last_period_start = (first_period_start + interval '1 month')::date,
               last_period_end = (last_period_end + interval '1 month')::date
    """,
    "a balance that is used up is completed": "UPDATE discounts SET carry_over = true",
    "what a recorded use was answered is what the ledger says": "UPDATE usage_records SET usage = 2",
    "a stamp card's discounts were granted by the entries that completed it": """
        UPDATE vouchers SET stamps_required = 2
    """,
    "no card was completed without its stamps": """
        UPDATE vouchers SET stamps_required = 2;
        UPDATE usage_records SET stamp = 1, discount_id = (SELECT id FROM discounts),
               answer = (answer::jsonb || '{"stamp": 1, "redemption": {"outcome": "accepted"}}')::json
    """,
    "what an invoice was answered is what the ledger says": """
        UPDATE invoice_discounts SET answer = '{"discountTotal": 501}'
    """,
    "a discount's progress is what the ledger says": "UPDATE discounts SET cycles = 2",
    "a once discount took part in one invoice": """
        INSERT INTO invoice_discounts SELECT project, 'copy', fingerprint, subscription, customer,
               '{"discountTotal": 1}', applied_at FROM invoice_discounts;
        INSERT INTO usage_entries SELECT project, discount_id, 'copy', gen_random_uuid(), period_start, period_end,
               currency, 1, created_at FROM usage_entries;
        UPDATE discounts SET recurrence = 'once', amounts_minor = '{"USD": 999}', status = 'completed',
               ends_on = last_period_end
    """,
    "a discount in cycles ends with its last one": """
        UPDATE discounts SET recurrence = 'repeating', duration_in_cycles = 2, ends_on = '2027-03-01'
    """,
    "a repeating discount stayed in its window": """
        UPDATE discounts SET recurrence = 'repeating', duration_in_months = 1,
               ends_on = (first_period_start + interval '1 month')::date;
        INSERT INTO invoice_discounts SELECT project, 'later', fingerprint, subscription, customer,
               '{"discountTotal": 1}', applied_at FROM invoice_discounts;
        INSERT INTO usage_entries SELECT project, discount_id, 'later', gen_random_uuid(),
               (period_start + interval '1 month')::date, (period_end + interval '1 month')::date,
               currency, 1, created_at FROM usage_entries;
        UPDATE discounts SET cycles = 2, last_period_start = (first_period_start + interval '1 month')::date,
               last_period_end = (last_period_end + interval '1 month')::date
    """,
    "a code's redemptions are counted": "UPDATE codes SET redemptions = 2",
    "a full code is retired": "UPDATE codes SET maximum_redemptions = redemptions WHERE redemptions > 0",
    "a redemption names a code of its voucher": """
        UPDATE codes SET redemptions = 0; UPDATE redemptions SET code_id = gen_random_uuid(); DELETE FROM holds
    """,
    "nothing was redeemed by a code that had expired": "UPDATE codes SET expires_at = '2026-01-01'",
    "nothing was redeemed by a code of another customer": "UPDATE codes SET customer = 'cus_other'",
    "a generation made as many codes as it says": "DELETE FROM codes WHERE generation_id IS NOT NULL",
    "a voucher's open holds are counted": "UPDATE vouchers SET held = 2",
    "no voucher holds more places than it has left": """
        UPDATE vouchers SET maximum_redemptions = 1, retired_reason = 'maxRedemptionsReached', retired_at = now()
    """,
    "no code holds more places than it has left": """
        UPDATE codes SET maximum_redemptions = 1, retired_reason = 'maxRedemptionsReached', retired_at = now()
        WHERE redemptions = 1;
        UPDATE holds SET code_id = (SELECT id FROM codes WHERE redemptions = 1)
    """,
    "a confirmed hold is the redemption that was asked for": """
        UPDATE holds SET redemption_id = gen_random_uuid() WHERE status = 'confirmed'
    """,
    "no customer holds more places than it may have": """
        UPDATE vouchers SET maximum_redemptions_per_customer = 1; UPDATE holds SET customer = 'cus_1'
    """,
    "a hold names a code of its voucher": """
        UPDATE holds SET code_id = gen_random_uuid() WHERE status = 'open'
    """,
    "what has lapsed had its time": """
        UPDATE holds SET status = 'lapsed', closed_at = now() WHERE status = 'open'; UPDATE vouchers SET held = 0
    """,
    "the code that a voucher shows is one of its codes": "UPDATE vouchers SET code = 'OTHER'",
    "a budget's spending is what the ledger says": """
        UPDATE vouchers SET budget_minor = '{"USD": 5000}', budget_currency = 'USD';
        UPDATE discounts SET has_budget = true;
        INSERT INTO budgets SELECT project, id, 'USD', 5000, 499 FROM vouchers
    """,
    "a voucher's budgets are those that it shows": """
        UPDATE vouchers SET budget_minor = '{"USD": 5000}', budget_currency = 'USD';
        UPDATE discounts SET has_budget = true;
        INSERT INTO budgets SELECT project, id, 'USD', 5001, 500 FROM vouchers
    """,
    "a budget limits all the discounts of its voucher": """
        UPDATE vouchers SET budget_minor = '{"USD": 5000}', budget_currency = 'USD';
        INSERT INTO budgets SELECT project, id, 'USD', 5000, 0 FROM vouchers
    """,
    "no invoice got more than the maximum from one discount": """
        UPDATE discounts SET maximum_discount_minor = '{"USD": 499}'
    """,
}


# Only a check constraint stands behind those that are left: it is taken away for the test.
CONSTRAINED = {"no voucher is over-redeemed": "vouchers", "no code is over-redeemed": "codes"}


DROP = "ALTER TABLE {table} DROP CONSTRAINT ck_{table}_redemptions_within_maximum"


RESTORE = """
    ALTER TABLE {table} ADD CONSTRAINT ck_{table}_redemptions_within_maximum
    CHECK (redemptions - places_returned <= maximum_redemptions) NOT VALID
"""


@pytest.fixture(autouse=True)
def one_of_everything(tampered_database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this
    """A voucher, a redemption, a discount and an invoice that are as they should be."""
    voucher = create_voucher(code="SUMMER", priceDiscount={"amount": 500, "currency": "USD"})
    task_named("vouchers.generate_codes")(
        request={"project": "gigs", "voucher": voucher["id"], "count": 1, "maximumRedemptions": 5}
    )
    confirm(reserve(code="SUMMER", customer="cus_1", subscription="sub_1", currency="USD"))
    apply()
    record(voucher=voucher["id"], customer="cus_1")
    assert audit() == []


def test_every_check_is_made_to_fail():
    """None is forgotten here."""
    assert {*TAMPERING, *CONSTRAINED} == set(CHECKS) - set(REVERSAL_CHECKS) - set(PLACE_CHECKS)


@pytest.mark.parametrize("check", TAMPERING)
def test_a_broken_promise_is_found_with_its_row(check):
    """By that check and by no other."""
    if check in HOLD_CHECKS:
        reserve(code="SUMMER", currency="USD")
        assert audit() == []
    tamper(TAMPERING[check])
    found = audit()
    assert {violation.check for violation in found} == {check}
    assert all(violation.project == "gigs" and violation.subject and violation.detail for violation in found)


LAPSED_BEFORE_ITS_CONFIRMATION = """
    UPDATE holds SET created_at = created_at - interval '1 day', expires_at = created_at,
           effective_at = effective_at - interval '1 day' WHERE status = 'confirmed'
"""


CONFIRMED_FOR_LONG_AGO = """;
    UPDATE redemptions SET effective_at = effective_at - interval '1 day 1 second'
    WHERE id IN (SELECT redemption_id FROM holds)
"""


UPDATED_BEFORE_THE_REDEMPTION = """
    UPDATE vouchers SET updated_at = (SELECT max(decided_at) FROM redemptions) - interval '1 second'
"""


REDEEMED_AGAIN_AS_NUMBER_3 = """
    INSERT INTO redemptions SELECT project, 'copy', gen_random_uuid(), fingerprint, voucher_id, code, customer,
           'sub_2', reason, 3, effective_at, decided_at FROM redemptions;
    INSERT INTO discounts SELECT d.project, r.id, d.voucher_id, d.customer, r.subscription,
           d.created_at, d.percentage_basis_points, d.amounts_minor, d.recurrence, d.duration_in_months,
           d.products, d.starts_on, d.starts_on_in_utc
    FROM discounts d, redemptions r WHERE r.request_id = 'copy'
"""


NOBODY_REDEEMED = """
    DELETE FROM holds; UPDATE vouchers SET redemptions = 0, held = 0; UPDATE codes SET redemptions = 0
"""


# Each of them breaks a check in another way than above.
FURTHER = {
    "redemptions are counted and numbered without a gap": [
        f"UPDATE vouchers SET redemptions = 2; {REDEEMED_AGAIN_AS_NUMBER_3}",  # noqa: S608 - constants
        f"UPDATE vouchers SET redemptions = 3; {REDEEMED_AGAIN_AS_NUMBER_3}",  # noqa: S608 - constants
    ],
    "what was retired as expired or full is so": [
        "UPDATE vouchers SET retired_reason = 'maxRedemptionsReached', retired_at = now()",
        """
            UPDATE vouchers SET retired_reason = 'maxRedemptionsReached', retired_at = now(), maximum_redemptions = 5
        """,
    ],
    "accepted redemptions and no others have a discount": [
        "UPDATE discounts SET customer = 'cus_other'",
        f"DELETE FROM redemptions; {NOBODY_REDEEMED}",  # noqa: S608 - constants
        f"UPDATE redemptions SET reason = 'voucher_expired', redemption_number = NULL; {NOBODY_REDEEMED}",  # noqa: S608 - constants
    ],
    "a fixed discount gave no more than its amount in a period": [
        """UPDATE discounts SET amounts_minor = '{"EUR": 999}'"""
    ],
    "what an invoice was answered is what the ledger says": [
        """
            DELETE FROM usage_entries;
            UPDATE discounts SET cycles = 0, first_period_start = NULL, last_period_start = NULL, last_period_end = NULL
        """
    ],
    "a discount's progress is what the ledger says": [
        "UPDATE discounts SET first_period_start = first_period_start - 1",
        "UPDATE discounts SET last_period_start = last_period_start + 1",
        "UPDATE discounts SET last_period_end = last_period_end + 1",
    ],
    "a discount in cycles ends with its last one": [
        """
            UPDATE discounts SET recurrence = 'repeating', duration_in_cycles = 1, ends_on = last_period_end + 1
        """
    ],
    "what has lapsed had its time": [
        # As a sweep would write it that came too early.
        "UPDATE holds SET status = 'lapsed', closed_at = expires_at WHERE status = 'open'; UPDATE vouchers SET held = 0"
    ],
    "a confirmed hold is the redemption that was asked for": [
        """
            UPDATE redemptions SET code_id = (SELECT id FROM codes WHERE redemptions = 0 ORDER BY id LIMIT 1);
            UPDATE codes SET redemptions = 1 - redemptions
        """,
        "UPDATE redemptions SET code_id = NULL; UPDATE codes SET redemptions = 0",
    ],
    "nothing was redeemed outside its voucher's window": [
        "UPDATE vouchers SET expires_at = '2026-01-01'",
        # Confirmed after it had lapsed, and after the window was moved: it was judged anew.
        "; ".join(
            [
                LAPSED_BEFORE_ITS_CONFIRMATION,
                TAMPERING["nothing was redeemed outside its voucher's window"],
                UPDATED_BEFORE_THE_REDEMPTION,
            ]
        ),
    ],
    "nothing was redeemed for an instant that was too long ago": [
        # Confirmed after it had lapsed: it was judged anew.
        LAPSED_BEFORE_ITS_CONFIRMATION + CONFIRMED_FOR_LONG_AGO,
    ],
    "no customer exceeds a voucher's limit": [
        # A hold that was made before the limit was lowered does not excuse what was confirmed after it had lapsed.
        "; ".join(
            [
                TAMPERING["no customer exceeds a voucher's limit"],
                """
                    UPDATE redemptions SET decided_at = decided_at - interval '2 days',
                           effective_at = effective_at - interval '2 days' WHERE request_id = 'copy'
                """,
                LAPSED_BEFORE_ITS_CONFIRMATION,
                "DELETE FROM holds WHERE status = 'open'; UPDATE vouchers SET held = 0",
                UPDATED_BEFORE_THE_REDEMPTION,
            ]
        )
    ],
}


@pytest.mark.parametrize(("check", "change"), [(check, each) for check, changes in FURTHER.items() for each in changes])
def test_so_is_a_promise_that_is_broken_in_another_way(check, change):
    """By that check and by no other."""
    reserve(code="SUMMER", currency="USD")
    tamper(change)
    assert {violation.check for violation in audit()} == {check}


def test_what_was_held_for_days_was_redeemed_for_the_instant_at_which_it_was_held():
    """It is confirmed after two of seven."""
    hold = reserve(code="SUMMER", currency="USD", ttl=7 * 86_400)
    tamper("""
        UPDATE holds SET created_at = created_at - interval '2 days', effective_at = effective_at - interval '2 days'
        WHERE status = 'open'
    """)
    assert confirm(hold)["outcome"] == "accepted"
    assert audit() == []


@pytest.mark.parametrize(
    "check", ["no customer exceeds a voucher's limit", "no customer holds more places than it may have"]
)
def test_what_was_taken_before_a_limit_was_lowered_is_no_violation(check):
    """As soon as something is taken after that, it is."""
    reserve(code="SUMMER", currency="USD")
    tamper(TAMPERING[check])
    tamper("UPDATE vouchers SET updated_at = clock_timestamp()")
    assert audit() == []
    tamper("UPDATE holds SET created_at = clock_timestamp() + interval '1 second' WHERE status = 'open'")
    tamper("UPDATE redemptions SET decided_at = clock_timestamp() + interval '1 second' WHERE request_id = 'copy'")
    assert check in {violation.check for violation in audit()}


@pytest.mark.parametrize(("check", "table"), CONSTRAINED.items())
def test_what_is_over_redeemed_is_found_even_where_the_constraint_is_gone(check, table):
    """The code that decides, the constraint and the audit are three lines of defence."""

    def tamper_with(statement: str) -> None:
        tamper(statement.format(table=table))

    tamper_with(DROP)
    try:
        tamper_with("UPDATE {table} SET maximum_redemptions = 1, retired_reason = 'manualAction', retired_at = now()")
        assert audit() == []
        tamper_with("UPDATE {table} SET redemptions = 2")
        assert check in {violation.check for violation in audit()}
    finally:
        tamper_with("UPDATE {table} SET maximum_redemptions = NULL, retired_reason = NULL, retired_at = NULL")
        tamper_with(RESTORE)
        tamper_with("ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_redemptions_within_maximum")
