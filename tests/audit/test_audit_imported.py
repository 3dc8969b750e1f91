"""The audit counts imported redemptions: the counter is their sum with the accepted ones, whose numbers follow them."""

import pytest

from tests.foreign.stripe import DOCUMENTED
from tests.support.database_between_tests import violations
from tests.support.requests import redeem
from tests.support.tampering import tamper
from tests.support.tasks import task_named

FIVE = "UPDATE vouchers SET redemptions = 5"
CHECK = "redemptions are counted and numbered without a gap"
# A redemption that was made here has the number of one that was imported.
MATCHED = {
    "imported places are matched one after the other",
    "an imported place belongs to a discount that came from elsewhere",
}


@pytest.fixture(autouse=True)
def two_imported_two_accepted(tampered_database: dict[str, str]) -> None:  # noqa: ARG001 - emptied before this
    """Import a coupon with two redemptions, and redeem it twice."""
    task_named("stripe.coupons.import")(request={"project": "gigs", "coupon": {**DOCUMENTED, "times_redeemed": 2}})
    for _ in range(2):
        redeem(code="jMT0WJUD")
    assert violations() == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE vouchers SET imported_redemptions = 3", MATCHED),
        ("UPDATE vouchers SET imported_redemptions = 1", {CHECK}),
        ("UPDATE vouchers SET redemptions = redemptions + 1", {CHECK}),
        ("UPDATE vouchers SET redemptions = 5, imported_redemptions = 3", {CHECK, *MATCHED}),
        ("UPDATE redemptions SET redemption_number = 1 WHERE redemption_number = 3", {CHECK, *MATCHED}),
        ("UPDATE redemptions SET redemption_number = 5 WHERE redemption_number = 4", {CHECK}),
        ("UPDATE redemptions SET redemption_number = redemption_number + 10", {CHECK}),
        (
            """
            UPDATE vouchers SET redemptions = 5;
            UPDATE redemptions SET redemption_number = 5 WHERE redemption_number = 4
            """,
            {CHECK},
        ),
        ("UPDATE vouchers SET name = 'another'", set()),
    ],
)
def test_a_number_or_a_counter_that_is_off_is_found(statement, found):
    """The imported number, the counter and the redemption numbers have to agree."""
    tamper(statement)
    assert {violation.check for violation in violations()} == found
