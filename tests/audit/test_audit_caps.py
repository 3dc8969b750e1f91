"""Each check of budgets and of maximum discounts is made to fail."""

import pytest

from tasks.audit.caps import CAP_CHECKS
from tests.audit.ledgers import broken_by

pytestmark = pytest.mark.usefixtures("each_row")

# For each check, a change that breaks only that promise.
TAMPERING = {
    "what a voucher has given is what the ledger says": """
        UPDATE given_amounts SET amount_minor = amount_minor - 1
    """,
    "a budget's spending is what the ledger says": """
        UPDATE vouchers SET budget_minor = '{"USD": 5000}', budget_currency = 'USD';
        UPDATE discounts SET has_budget = true;
        INSERT INTO budgets (project, voucher_id, currency, amount_minor, spent_minor)
        SELECT project, id, 'USD', 5000, 499 FROM vouchers
    """,
    "a voucher's budgets are those that it shows": """
        UPDATE vouchers SET budget_minor = '{"USD": 5000}', budget_currency = 'USD';
        UPDATE discounts SET has_budget = true;
        INSERT INTO budgets (project, voucher_id, currency, amount_minor, spent_minor)
        SELECT project, id, 'USD', 5001, 500 FROM vouchers
    """,
    "a budget limits all the discounts of its voucher": """
        UPDATE vouchers SET budget_minor = '{"USD": 5000}', budget_currency = 'USD';
        INSERT INTO budgets (project, voucher_id, currency, amount_minor, spent_minor)
        SELECT project, id, 'USD', 5000, 0 FROM vouchers
    """,
    "no invoice got more than the maximum from one discount": """
        UPDATE discounts SET maximum_discount_minor = '{"USD": 499}'
    """,
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert set(TAMPERING) == set(CAP_CHECKS)


@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}
