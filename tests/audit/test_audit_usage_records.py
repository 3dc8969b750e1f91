"""Each check of recorded usage and of stamp cards is made to fail."""

import pytest

from tasks.audit.usage_records import USAGE_RECORD_CHECKS
from tests.audit.ledgers import broken_by

pytestmark = pytest.mark.usefixtures("each_row")

# For each check, a change that breaks only that promise.
TAMPERING = {
    "what a recorded use was answered is what the ledger says": "UPDATE usage_records SET usage = 2",
    "a stamp card's discounts were granted by the entries that completed it": """
        UPDATE vouchers SET stamps_required = 2
    """,
    "no card was completed without its stamps": """
        UPDATE vouchers SET stamps_required = 2;
        UPDATE usage_records SET stamp = 1, discount_id = (SELECT id FROM discounts),
               answer = (answer::jsonb || '{"stamp": 1, "redemption": {"outcome": "accepted"}}')::json
    """,
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(TAMPERING) == set(USAGE_RECORD_CHECKS)


@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}
