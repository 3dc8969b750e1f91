"""Each check of holds is made to fail, beside an open and a confirmed hold."""

import pytest

from tasks.audit.holds import HOLD_CHECKS
from tests.audit import test_audit_redemptions as redemptions
from tests.audit.ledgers import all_of, broken, broken_by, open_a_hold
from tests.support.database_between_tests import violations
from tests.support.holds import reserve
from tests.support.tampering import TELL_CHANGES, tamper

pytestmark = pytest.mark.usefixtures("each_row")

# For each check, a change that breaks only that promise.
TAMPERING = {
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
    "no customer holds more places of a code than it may have": """
        UPDATE codes SET maximum_redemptions_per_customer = 1; UPDATE holds SET customer = 'cus_1'
    """,
    "a hold names a code of its voucher": """
        UPDATE holds SET code_id = gen_random_uuid() WHERE status = 'open'
    """,
    "what has lapsed had its time": """
        UPDATE holds SET status = 'lapsed', closed_at = now() WHERE status = 'open'; UPDATE vouchers SET held = 0
    """,
}
# More changes that break a promise.
BESIDE_A_HOLD: dict[str, list[str]] = {
    "a confirmed hold is the redemption that was asked for": [
        """
            UPDATE redemptions SET code_id = (SELECT id FROM codes WHERE redemptions = 0 ORDER BY id LIMIT 1);
            UPDATE codes SET redemptions = 1 - redemptions
        """,
        "UPDATE redemptions SET code_id = NULL; UPDATE codes SET redemptions = 0",
    ],
    "what has lapsed had its time": [
        # The row of a sweep that came too early.
        "UPDATE holds SET status = 'lapsed', closed_at = expires_at WHERE status = 'open'; UPDATE vouchers SET held = 0"
    ],
}
REDEEMED, HELD = "no customer exceeds a voucher's limit", "no customer holds more places than it may have"
LIMITS = [(REDEEMED, redemptions.TAMPERING[REDEEMED]), (HELD, TAMPERING[HELD])]


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(TAMPERING) == set(HOLD_CHECKS)


@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    open_a_hold()
    assert broken_by(change) == {check}


@pytest.mark.parametrize(("check", "change"), all_of(BESIDE_A_HOLD))
def test_so_is_a_promise_that_is_broken_in_another_way(check, change):
    """No other check finds a violation."""
    open_a_hold()
    assert broken_by(change) == {check}


@pytest.mark.parametrize(("check", "change"), LIMITS)
def test_what_was_taken_before_a_limit_was_lowered_is_no_violation(check, change):
    """A place that is taken or held after that is a violation."""
    reserve(code="SUMMER", currency="USD")
    tamper(change)
    tamper(f"UPDATE vouchers SET updated_at = clock_timestamp(); {TELL_CHANGES}")  # noqa: S608 - the constant
    assert violations() == []
    tamper("UPDATE holds SET created_at = clock_timestamp() + interval '1 second' WHERE status = 'open'")
    tamper("UPDATE redemptions SET decided_at = clock_timestamp() + interval '1 second' WHERE request_id = 'copy'")
    assert check in broken()
