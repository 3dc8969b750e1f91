"""The audit notices every broken promise about reversals and endings: each of its checks is made to fail."""

import pytest

from tasks.audit.audit import audit
from tasks.audit.reversals import REVERSAL_CHECKS
from tests.support.endings import end, end_subscription
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import refund, reverse
from tests.support.tampering import tamper

# For each check, a change that breaks its promise and no other.
TAMPERING = {
    "no more is reversed of an entry than it took": """
        INSERT INTO invoice_reversals SELECT project, gen_random_uuid(), invoice, reason, '[]',
               '{"discountTotal": 801, "reversalReason": "refunded", "invoice": "inv_2",
                 "lines": [{"discountShare": 801}]}', created_at
        FROM invoice_reversals WHERE reason = 'refunded';
        INSERT INTO usage_reversals SELECT u.project, gen_random_uuid(), u.discount_id, u.invoice, i.id, u.reason,
               u.currency, -801, false, u.created_at
        FROM usage_reversals u, invoice_reversals i
        WHERE u.reason = 'refunded' AND i.answer ->> 'discountTotal' = '801'
    """,
    "what a reversal was answered is what the ledger says": """
        UPDATE usage_reversals SET amount_minor = -300 WHERE reason = 'refunded'
    """,
    "no more is refunded of a line than it was billed": """
        UPDATE invoice_reversals SET lines = '[{"id": "base", "amount": 8001, "discounts": {"x": 800}}]'
        WHERE reason = 'refunded'
    """,
    "a discount knows how many of its entries were given back": """
        UPDATE discounts SET entries_given_back = entries_given_back + 1 WHERE status = 'running'
    """,
    "nothing was taken off by a discount that had ended": """
        UPDATE discounts SET status = 'ended', ended_at = created_at WHERE status = 'running'
    """,
    "a place is free again for a redemption that had one": "UPDATE returned_places SET customer = 'cus_other'",
    "the places that are free again are counted": "UPDATE vouchers SET places_returned = 0, redemptions = redemptions",
    "only what never took effect or was refunded in full gives a place back": """
        UPDATE discounts SET status = 'running', ended_at = NULL WHERE status = 'ended'
    """,
}


@pytest.fixture(autouse=True)
def one_of_everything(tampered_database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this
    """A voided invoice, one that is half refunded, and a redemption that never took effect."""
    create_voucher(code="SUMMER")
    redeem(code="SUMMER", subscription="sub_1")
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    reverse("inv_1")
    refund("inv_2", "r1", base=4000)
    end(redeem(code="SUMMER", subscription="sub_2")["discount"])
    assert end_subscription("sub_2")["placesReturned"] == 1
    assert audit() == []


def test_every_check_is_made_to_fail():
    """None is forgotten here."""
    assert set(TAMPERING) == set(REVERSAL_CHECKS)


@pytest.mark.parametrize("check", TAMPERING)
def test_a_broken_promise_is_found_with_its_row(check):
    """By that check and by no other."""
    tamper(TAMPERING[check])
    found = audit()
    assert {violation.check for violation in found} == {check}
    assert all(violation.project == "gigs" and violation.subject and violation.detail for violation in found)
