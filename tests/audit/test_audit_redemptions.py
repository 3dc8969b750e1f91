"""Each check of vouchers and their redemptions is made to fail by a row that no constraint forbids."""

import pytest

from tasks.audit.redemptions import REDEMPTION_CHECKS
from tests.audit.ledgers import all_of, broken_by, open_a_hold
from tests.audit.test_audit_over_redeemed import CONSTRAINED
from tests.support.database_between_tests import violations
from tests.support.holds import confirm, reserve
from tests.support.tampering import TELL_CHANGES, tamper

pytestmark = pytest.mark.usefixtures("each_row")

REDEEMED_AGAIN = """
    INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, code, customer, subscription,
                             reason, redemption_number, effective_at, decided_at)
    SELECT project, 'copy', gen_random_uuid(), fingerprint, voucher_id, code, customer,
           subscription, reason, 2, effective_at, decided_at FROM redemptions;
    UPDATE redemptions SET subscription = 'sub_2' WHERE request_id = 'copy';
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_millionths,
                           amounts_minor, recurrence, duration_in_months, products, starts_on, starts_on_in_utc)
    SELECT d.project, r.id, d.voucher_id, d.customer, 'sub_2',
           d.created_at, d.percentage_millionths, d.amounts_minor, d.recurrence, d.duration_in_months,
           d.products, d.starts_on, d.starts_on_in_utc
    FROM discounts d, redemptions r WHERE r.request_id = 'copy'
"""
# For each check, a change that breaks only that promise.
TAMPERING = {
    "redemptions are counted and numbered without a gap": "UPDATE redemptions SET redemption_number = 5",
    "a full voucher is retired": "UPDATE vouchers SET maximum_redemptions = redemptions",
    "what was retired as expired or full is so": "UPDATE vouchers SET retired_reason = 'expired', retired_at = now()",
    "no customer exceeds a voucher's limit": f"""
        UPDATE vouchers SET maximum_redemptions_per_customer = 1, redemptions = 2; {REDEEMED_AGAIN}
    """,  # noqa: S608 - the constant above
    "accepted redemptions and no others have a discount": """
        DELETE FROM usage_entries; DELETE FROM invoice_discounts; DELETE FROM discounts
    """,
    "nothing was redeemed outside its voucher's window": "UPDATE vouchers SET starts_at = now()",
    "nothing was redeemed for an instant that was too long ago": """
        UPDATE redemptions SET effective_at = decided_at - interval '1 day 1 second' WHERE reason IS NULL
    """,
}
# A hold that lapsed before the confirmation.
LAPSED_BEFORE_ITS_CONFIRMATION = """
    UPDATE holds SET created_at = created_at - interval '1 day', expires_at = created_at,
           effective_at = effective_at - interval '1 day' WHERE status = 'confirmed'
"""
CONFIRMED_FOR_LONG_AGO = """
    UPDATE redemptions SET effective_at = effective_at - interval '1 day 1 second'
    WHERE id IN (SELECT redemption_id FROM holds)
"""
UPDATED_BEFORE_THE_REDEMPTION = f"""
    UPDATE vouchers SET updated_at = (SELECT max(decided_at) FROM redemptions) - interval '1 second';
    {TELL_CHANGES}
"""  # noqa: S608 - the constant above
REDEEMED_AGAIN_AS_NUMBER_3 = """
    INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, code, customer, subscription, reason,
                             redemption_number, effective_at, decided_at)
    SELECT project, 'copy', gen_random_uuid(), fingerprint, voucher_id, code, customer,
           'sub_2', reason, 3, effective_at, decided_at FROM redemptions;
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_millionths,
                           amounts_minor, recurrence, duration_in_months, products, starts_on, starts_on_in_utc)
    SELECT d.project, r.id, d.voucher_id, d.customer, r.subscription,
           d.created_at, d.percentage_millionths, d.amounts_minor, d.recurrence, d.duration_in_months,
           d.products, d.starts_on, d.starts_on_in_utc
    FROM discounts d, redemptions r WHERE r.request_id = 'copy'
"""
NOBODY_REDEEMED = """
    DELETE FROM holds; UPDATE vouchers SET redemptions = 0, held = 0; UPDATE codes SET redemptions = 0
"""
# More changes that break a promise, made while a hold is open.
BESIDE_A_HOLD: dict[str, list[str]] = {
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
    "no customer exceeds a voucher's limit": [
        # The hold was older than the lower limit, but had lapsed before the confirmation.
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
    "accepted redemptions and no others have a discount": [
        "UPDATE discounts SET customer = 'cus_other'",
        f"DELETE FROM redemptions; {NOBODY_REDEEMED}",  # noqa: S608 - constants
        f"UPDATE redemptions SET reason = 'voucher_expired', redemption_number = NULL; {NOBODY_REDEEMED}",  # noqa: S608 - constants
    ],
    "nothing was redeemed outside its voucher's window": [
        "UPDATE vouchers SET expires_at = '2026-01-01'",
        # A redemption that was judged anew, because the hold had lapsed before the confirmation.
        "; ".join(
            [
                LAPSED_BEFORE_ITS_CONFIRMATION,
                TAMPERING["nothing was redeemed outside its voucher's window"],
                UPDATED_BEFORE_THE_REDEMPTION,
            ]
        ),
    ],
    "nothing was redeemed for an instant that was too long ago": [
        # A redemption that was judged anew, because the hold had lapsed before the confirmation.
        f"{LAPSED_BEFORE_ITS_CONFIRMATION}; {CONFIRMED_FOR_LONG_AGO}",
    ],
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(TAMPERING) | {check for check, table in CONSTRAINED.items() if table == "vouchers"} == set(
        REDEMPTION_CHECKS
    )


@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}


@pytest.mark.parametrize(("check", "change"), all_of(BESIDE_A_HOLD))
def test_so_is_a_promise_that_is_broken_in_another_way(check, change):
    """No other check finds a violation."""
    open_a_hold()
    assert broken_by(change) == {check}


def test_what_was_held_for_days_was_redeemed_for_the_instant_at_which_it_was_held():
    """The hold of seven days is confirmed after two."""
    hold = reserve(code="SUMMER", currency="USD", ttl=7 * 86_400)
    tamper("""
        UPDATE holds SET created_at = created_at - interval '2 days', effective_at = effective_at - interval '2 days'
        WHERE status = 'open'
    """)
    assert confirm(hold)["outcome"] == "accepted"
    assert violations() == []
