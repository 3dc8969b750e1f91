"""Each check of the history of discounts is made to fail."""

import pytest

from tasks.audit.discount_changes import DISCOUNT_CHANGE_CHECKS
from tests.audit.ledgers import all_of, broken_by
from tests.support.changes import extend, move
from tests.support.database_between_tests import violations
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, redeem

pytestmark = pytest.mark.usefixtures("tampered_database")

PLACE = "a discount is where its moves have left it"
DURATION = "a discount lasts as long as its extensions have made it"
NUMBERS = "changes of a discount are numbered without a gap"
ENDED = "a discount was ended if its history says so, and nothing was changed after that"
INVOICE = "an invoice is discounted by the discounts of its subscription"
# For each check, changes that each break only that promise. The discount was moved to sub_2 and to sub_3 (1 and 3), and
# extended to 3 and to 5 months (2 and 4); sub_2 has an invoice. Another discount was ended.
TAMPERING = {
    PLACE: [
        "UPDATE discounts SET subscription = 'sub_4' WHERE status <> 'ended'",
        "UPDATE discount_changes SET from_subscription = 'sub_4' WHERE number = 1 AND kind = 'moved'",
        """
            UPDATE discount_changes SET from_subscription = 'sub_4' WHERE number = 3;
            UPDATE invoice_discounts SET subscription = 'sub_4'
        """,
        "UPDATE redemptions SET subscription = 'sub_4' WHERE subscription = 'sub_1'",
    ],
    DURATION: [
        "UPDATE discounts SET duration_in_months = 6, ends_on = ends_on + interval '1 month'",
        "UPDATE discount_changes SET from_duration = 1 WHERE number = 2",
        "UPDATE discount_changes SET to_duration = 4 WHERE number = 2",
        "UPDATE vouchers SET duration_in_months = 1",
        "UPDATE vouchers SET duration_in_months = NULL, duration_in_cycles = 2",
    ],
    NUMBERS: [
        "UPDATE discount_changes SET number = number + 10",
        "UPDATE discount_changes SET number = 5 WHERE number = 4",
    ],
    ENDED: [
        "DELETE FROM discount_changes WHERE kind = 'ended'",
        "UPDATE discount_changes SET created_at = created_at + interval '1 second' WHERE kind = 'ended'",
        "UPDATE discounts SET ended_at = ended_at + interval '1 second'",
        """
            INSERT INTO discount_changes (project, discount_id, number, kind, from_duration, to_duration, created_at)
            SELECT project, discount_id, 2, 'extended', 2, 3, created_at FROM discount_changes WHERE kind = 'ended';
            UPDATE discounts SET duration_in_months = 3 WHERE status = 'ended'
        """,
        """
            INSERT INTO discount_changes (project, discount_id, number, kind, created_at)
            SELECT project, discount_id, 5, 'ended', created_at FROM discount_changes WHERE number = 4
        """,
    ],
    INVOICE: [
        "UPDATE invoice_discounts SET subscription = 'sub_3'",
        """
            UPDATE usage_entries SET created_at = created_at + interval '1 day';
            UPDATE invoice_discounts SET applied_at = applied_at + interval '1 day'
        """,
    ],
}


@pytest.fixture(autouse=True)
def changed_discount(tampered_database: object) -> None:  # noqa: ARG001 - emptied before this
    """Move and extend a discount, each twice, with an invoice in between."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 2})["id"]
    discount = redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01")["discount"]
    move(discount, "sub_2")
    extend(discount, months=1)
    apply(subscription="sub_2")
    move(discount, "sub_3")
    extend(discount, months=2)
    ended = redeem(voucher=voucher, subscription="sub_0", startsOn="2027-01-01")["discount"]
    end(ended)
    assert violations() == []


@pytest.mark.parametrize(("check", "change"), all_of(TAMPERING))
def test_a_broken_promise_is_found_with_its_row(check, change):
    """No other check finds a violation."""
    assert broken_by(change) == {check}


def test_every_check_is_made_to_fail():
    """No check of the group is left out."""
    assert set(TAMPERING) == set(DISCOUNT_CHANGE_CHECKS)
