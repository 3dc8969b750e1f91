"""Each check of reversals and refunds is made to fail."""

import pytest

from tasks.audit.reversals import REVERSAL_CHECKS
from tests.audit.ledgers import begin_with_a_refund, begin_with_credits, broken_by

SHARE = "refunds and credits have the share of the discount that is due"
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
    "no more is refunded and credited of a line than it was billed": """
        UPDATE invoice_reversals SET lines = '[{"id": "base", "amount": 8001, "discounts": {"x": 800}}]'
        WHERE kind = 'refunded'
    """,
    "an entry of a reversal is of the same kind, instant and invoice": """
        UPDATE usage_reversals SET kind = 'payment_failed' WHERE kind = 'voided'
    """,
    "a discount knows how many of its entries were given back": """
        UPDATE discounts SET entries_given_back = entries_given_back + 1 WHERE status = 'running'
    """,
}


def answered(amount: int) -> str:
    """Return a statement that changes the answer to the reversal of the crediting invoice, from -200."""
    text = "answer::text"
    for name in ("discountTotal", "discountShare"):
        text = f"""replace({text}, '"{name}":-200', '"{name}":{amount}')"""
    return f"UPDATE invoice_reversals SET answer = ({text})::json"  # noqa: S608 - put together from the constants above


def in_turn(*statements: str) -> str:
    """Return the statements as one change."""
    return ";".join(statements)


ANSWERED_NOTHING = answered(0)
CREDIT_TAMPERING = {
    "what an invoice was answered about its credits is what the ledger says": """
        UPDATE invoice_discounts SET answer = replace(answer::text, '"discountShare":100', '"discountShare":101')::json
        WHERE invoice = 'inv_4'
    """,
    "a credit is reversed with its invoice, and only then": in_turn(
        ANSWERED_NOTHING,
        "DELETE FROM usage_reversals WHERE kind = 'credit_reversed'",
        "DELETE FROM invoice_reversals WHERE kind = 'credit_reversed'",
        "UPDATE discounts SET entries_credited = entries_credited - 1",
    ),
    "a discount knows how many credits its entries had": """
        UPDATE discounts SET entries_credited = entries_credited + 1
    """,
    # The same checks as for refunds and invoices.
    "no more is reversed of an entry than it took": in_turn(
        answered(-401), "UPDATE usage_reversals SET amount_minor = 401 WHERE kind = 'credit_reversed'"
    ),
    "what a reversal was answered is what the ledger says": ANSWERED_NOTHING,
    "what an invoice was answered is what the ledger says": """
        UPDATE invoice_discounts SET answer = replace(answer::text, '"discountTotal":-100', '"discountTotal":0')::json
        WHERE invoice = 'inv_4'
    """,
}


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert {*TAMPERING, *CREDIT_TAMPERING, SHARE} >= set(REVERSAL_CHECKS)


@pytest.mark.usefixtures("tampered_database")
@pytest.mark.parametrize(("check", "change"), CREDIT_TAMPERING.items())
def test_a_broken_promise_about_credits_is_found_with_its_row(check, change):
    """Other checks may find a violation too."""
    begin_with_credits()
    assert check in broken_by(change)


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
