"""Each check of reversals and refunds is made to fail."""

import pytest

from tasks.audit.reversals import REVERSAL_CHECKS
from tests.audit.ledgers import begin_with_a_refund, broken_by

SHARE = "refunds have the share of the discount that is due"
# For each check, a change that breaks only that promise.
TAMPERING = {
    "no more is reversed of an entry than it took": """
        INSERT INTO invoice_reversals (project, id, invoice, kind, lines, answer, created_at)
        SELECT project, gen_random_uuid(), invoice, kind, '[]',
               '{"discountTotal": 801, "kind": "refunded", "invoice": "inv_2",
                 "lines": [{"discountShare": 801}]}', created_at
        FROM invoice_reversals WHERE kind = 'refunded';
        INSERT INTO usage_reversals (project, id, discount_id, invoice, reversal_id, kind, currency, amount_minor,
                                     is_in_full, created_at)
        SELECT u.project, gen_random_uuid(), u.discount_id, u.invoice, i.id, u.kind,
               u.currency, -801, false, u.created_at
        FROM usage_reversals u, invoice_reversals i
        WHERE u.kind = 'refunded' AND i.answer ->> 'discountTotal' = '801'
    """,
    "what a reversal was answered is what the ledger says": """
        UPDATE usage_reversals SET amount_minor = -300 WHERE kind = 'refunded'
    """,
    "no more is refunded of a line than it was billed": """
        UPDATE invoice_reversals SET lines = '[{"id": "base", "amount": 8001, "discounts": {"x": 800}}]'
        WHERE kind = 'refunded'
    """,
    "a discount knows how many of its entries were given back": """
        UPDATE discounts SET entries_given_back = entries_given_back + 1 WHERE status = 'running'
    """,
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert {*TAMPERING, SHARE} == set(REVERSAL_CHECKS)


@pytest.mark.usefixtures("reversals")
@pytest.mark.parametrize(("check", "change"), TAMPERING.items())
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}


@pytest.mark.usefixtures("tampered_database")
def test_a_refund_with_a_wrong_share_of_the_discount_is_found():
    """A quarter of 694 is 173.5, which is rounded up."""
    begin_with_a_refund(priceDiscount={"amount": 694, "currency": "USD"})
    change = """
        UPDATE usage_reversals SET amount_minor = -173;
        UPDATE invoice_reversals SET answer = replace(answer::text, '174', '173')::json,
               lines = replace(lines::text, '174', '173')::json
    """
    assert broken_by(change) == {SHARE}
