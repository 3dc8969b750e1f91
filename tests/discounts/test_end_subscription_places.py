"""`subscriptions.end` returns places to the voucher, the code and the customer, each once."""

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest
from tests.discounts.calls import grant
from tests.support.endings import end, end_subscription, shown
from tests.support.requests import add_codes, apply, create_voucher, redeem
from tests.support.reversals import refund, reverse
from tests.support.tampering import tell_changes
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def test_a_redemption_that_never_took_effect_returns_its_place_once():
    """A full voucher is available again for 1 redemption. Redemption numbers continue without a gap."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})["id"]
    grant(voucher)
    grant(voucher, subscription="sub_2")
    assert shown(voucher)["retiredReason"] == "maxRedemptionsReached"
    assert [end_subscription()["placesReturned"] for _ in range(3)] == [1, 0, 0]
    assert (shown(voucher)["status"], shown(voucher)["redemptions"]) == ("available", 1)
    assert redeem(voucher=voucher)["redemptionNumber"] == 3
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"
    assert (shown(voucher)["redemptions"], shown(voucher)["retiredReason"]) == (2, "maxRedemptionsReached")


def test_a_redemption_that_took_effect_returns_no_place():
    """A refund of the whole invoice does not change that."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})["id"]
    grant(voucher)
    apply(invoice="inv_1")
    refund("inv_1", "r1", base=8000)
    assert end_subscription()["placesReturned"] == 0
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"


def test_a_redemption_whose_only_invoice_was_voided_never_took_effect():
    """One discount was ended before the void, the other is ended after it."""
    first = grant(voucher=create_voucher()["id"])
    second = grant()
    apply(invoice="inv_1")
    end(first["discount"])
    assert end_subscription()["placesReturned"] == 0
    reverse("inv_1")
    answer = end_subscription()
    assert (answer["placesReturned"], answer["discounts"]) == (2, [])
    assert end_subscription()["placesReturned"] == 0
    assert [shown(each["voucher"])["redemptions"] for each in (first, second)] == [0, 0]


def test_the_place_is_returned_to_the_code_and_the_customer_too():
    """A code that was full is available again."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    (code,) = add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    grant(code="VIP", customer="cus_1")
    assert redeem(code="VIP")["reason"] == "code_max_redemptions_reached"
    end_subscription()
    (item,) = task_named("codes.list")(request={"project": "gigs", "voucher": voucher["id"]})["items"]
    assert (item["id"], item["status"], item["redemptions"]) == (code["id"], "available", 0)
    assert redeem(code="VIP", customer="cus_1")["redemptionNumber"] == 2
    assert redeem(voucher=voucher["id"], customer="cus_1")["reason"] == "customer_limit_reached"


def test_a_code_whose_text_was_taken_over_stays_retired():
    """The text still names the code that took it over."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    grant(code="VIP")
    taker = create_voucher(code="VIP")
    end_subscription()
    assert redeem(code="vip")["voucher"] == taker["id"]


def test_of_two_full_codes_with_one_text_the_newer_is_available_again():
    """Both were redeemed on the subscription that ends."""
    for _ in range(2):
        add_codes(create_voucher(), {"code": "VIP", "maximumRedemptions": 1})
        redeemed = grant(code="VIP")
    assert end_subscription()["placesReturned"] == 2
    assert redeem(code="vip")["voucher"] == redeemed["voucher"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE vouchers SET retired_reason = 'manualAction'", "manualAction"),
        ("UPDATE vouchers SET expires_at = '2026-01-01', updated_at = now()", "expired"),
    ],
)
def test_a_returned_place_does_not_make_a_retired_voucher_available(change, reason):
    """The voucher was retired by hand, or has expired meanwhile."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})["id"]
    grant(voucher)
    with transaction() as session:
        session.execute(text(change))
    tell_changes()
    assert end_subscription()["placesReturned"] == 1
    assert shown(voucher)["retiredReason"] == reason


def test_a_limit_can_be_lowered_to_the_places_that_are_taken():
    """A lower limit is refused."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 3})["id"]
    for subscription in ("sub_1", "sub_2", "sub_3"):
        grant(voucher, subscription=subscription)
    end_subscription()
    body = {"project": "gigs", "voucher": voucher, "restrictions": {"maximumRedemptions": 2}}
    assert task_named("vouchers.update")(request=body)["retiredReason"] == "maxRedemptionsReached"
    with pytest.raises(InvalidRequest):
        task_named("vouchers.update")(request={**body, "restrictions": {"maximumRedemptions": 1}})
