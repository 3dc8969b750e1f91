"""Each check of codes and of their generation is made to fail."""

import pytest

from tasks.audit.codes import CODE_CHECKS
from tests.audit import test_audit_redemptions as redemptions
from tests.audit.ledgers import broken_by
from tests.audit.test_audit_over_redeemed import CONSTRAINED

pytestmark = pytest.mark.usefixtures("each_row")

# For each check, a change that breaks only that promise.
TAMPERING = {
    "a code's redemptions are counted": "UPDATE codes SET redemptions = 2",
    "a full code is retired": "UPDATE codes SET maximum_redemptions = redemptions WHERE redemptions > 0",
    "a redemption names a code of its voucher": """
        UPDATE codes SET redemptions = 0; UPDATE redemptions SET code_id = gen_random_uuid(); DELETE FROM holds
    """,
    "nothing was redeemed by a code that had expired": "UPDATE codes SET expires_at = '2026-01-01'",
    "nothing was redeemed by a code of another customer": "UPDATE codes SET customer = 'cus_other'",
    "no customer exceeds a code's limit": f"""
        {redemptions.REDEEMED_AGAIN}; UPDATE vouchers SET redemptions = 2;
        UPDATE redemptions SET code_id = (SELECT id FROM codes WHERE redemptions > 0);
        UPDATE codes SET redemptions = 2, maximum_redemptions_per_customer = 1 WHERE redemptions > 0
    """,  # noqa: S608 - the constant of another test
    "a generation made as many codes as it says": "DELETE FROM codes WHERE generation_id IS NOT NULL",
    "the code that a voucher shows is one of its codes": "UPDATE vouchers SET code = 'OTHER'",
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(TAMPERING) | {check for check, table in CONSTRAINED.items() if table == "codes"} == set(CODE_CHECKS)


@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}
