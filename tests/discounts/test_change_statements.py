"""The query plans of moves and extensions, of the look-up of a discount that could be moved, and of balances."""

import pytest

from tests.support.changes import extend, move
from tests.support.credits import credit
from tests.support.requests import apply, create_voucher, redeem, redemption
from tests.support.reversals import refund
from tests.support.statements import SCANS, analyze, explained
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

BALANCE = {"priceDiscount": {"amount": 10_000, "currency": "USD"}, "carryOver": True}
MONTHS = {"recurrence": {"type": "repeating", "durationInMonths": 3}}


def redeem_many(voucher: str, *, first: int, count: int) -> list[str]:
    """Redeem a voucher for a customer on as many subscriptions, and return the discounts."""
    requests = [
        redemption(voucher=voucher, customer="cus_1", subscription=f"sub_{index}", currency="USD")
        for index in range(first, first + count)
    ]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    return [each["discount"] for each in items]


@pytest.mark.slow
@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_scans_a_table_whatever_the_statistics_say(known):
    """The statistics are unknown, up to date, or out of date."""
    limit = {"restrictions": {"maximumRedemptionsPerCustomer": 901}}
    voucher = create_voucher(**MONTHS, **limit)["id"]
    redeem_many(voucher, first=0, count=100)
    if known == "what was there before":
        analyze()
    discount, extended, *_ = redeem_many(voucher, first=100, count=800)
    balance = create_voucher(**BALANCE)["id"]
    redeem(voucher=balance, customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    for index in range(300):
        apply(invoice=f"inv_{index}", subscription=f"sub_{index % 3}")
    redeem(voucher=voucher, customer="cus_1", subscription="sub_last")
    if known == "everything":
        analyze()
    with explained() as plans:
        assert move(discount, subscription="sub_elsewhere")["subscription"] == "sub_elsewhere"
        assert extend(extended, months=1)["recurrence"]["durationInMonths"] == 4
        refused = task_named("redemptions.redeem")(
            request=redemption(voucher=voucher, customer="cus_1", subscription="sub_new")
        )
        refund("inv_1", "r1", base=4_000)
        credit(4_000, of="inv_1")
        apply(subscription="sub_1")
    assert (refused["reason"], refused["discount"] is not None) == ("customer_limit_reached", True)
    assert len(plans) > 30
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
