"""Each check of the terms that a discount has copied is made to fail."""

import pytest

from tasks.audit.copied_terms import COPIED_TERM_CHECKS
from tests.audit.ledgers import broken_by

pytestmark = pytest.mark.usefixtures("each_row")

# For each check, a change that breaks only that promise.
TAMPERING = {
    "a discount is exclusive if its voucher is": "UPDATE discounts SET exclusive = true",
    "a discount comes in its voucher's place on invoices": "UPDATE discounts SET priority = 499",
    "a discount has its voucher's maximum in all": """
        UPDATE discounts SET maximum_discount_in_all_minor = '{"USD": 9999}'
    """,
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(TAMPERING) == set(COPIED_TERM_CHECKS)


@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}
