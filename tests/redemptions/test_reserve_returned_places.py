"""Hold places that were returned: both count against the same limits."""

import pytest

from tests.support.concurrency import at_once, send
from tests.support.endings import end, end_subscription, shown
from tests.support.holds import confirm, lapse, release, reserve, stored
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.reversals import GIVING_BACK, ONCE, refund, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

TWO = {"restrictions": {"maximumRedemptions": 2}}
IN_2027 = {"subscription": "sub_0", "startsOn": "2027-01-01"}


def test_a_returned_place_can_be_held():
    """A place is taken, and another is returned and then held. The next request is refused."""
    voucher = create_voucher(**TWO)["id"]
    redeem(voucher=voucher)
    redeem(voucher=voucher, **IN_2027)
    assert reserve(voucher=voucher)["reason"] == "max_redemptions_reached"
    end_subscription("sub_0")
    hold = reserve(voucher=voucher)
    assert (hold["outcome"], reserve(voucher=voucher)["reason"]) == ("accepted", "fully_reserved")
    assert (confirm(hold)["outcome"], shown(voucher)["retiredReason"]) == ("accepted", "maxRedemptionsReached")


def test_a_returned_place_of_a_code_can_be_held():
    """The code has one place, and its redemption never took effect."""
    add_codes(create_voucher(), {"code": "ONLY-ONE", "maximumRedemptions": 1})
    redeem(code="ONLY-ONE", **IN_2027)
    end_subscription("sub_0")
    answers = [reserve(code="ONLY-ONE") for _ in range(2)]
    assert [each["reason"] for each in answers] == [None, "fully_reserved"]


@pytest.mark.parametrize("fields", [{"code": "SUMMER"}, {}])
def test_a_returned_place_is_free_once(fields):
    """While a returned place is held, no other request takes it."""
    voucher = create_voucher(**TWO, code="SUMMER")["id"]
    named = fields or {"voucher": voucher}
    redeem(**named, **IN_2027)
    end_subscription("sub_0")
    assert [reserve(**named)["outcome"] for _ in range(2)] == ["accepted"] * 2
    assert (redeem(**named)["reason"], shown(voucher)["redemptions"]) == ("fully_reserved", 0)


def test_a_customers_returned_place_can_be_held():
    """All that was bought with the discount was refunded in full. The hold then takes the place again."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})["id"]
    first = redeem(voucher=voucher, customer="cus_1", **IN_2027)
    apply(invoice="inv_1", subscription="sub_0")
    assert reserve(voucher=voucher, customer="cus_1")["reason"] == "customer_limit_reached"
    refund("inv_1", "r1", base=8000)
    end(first["discount"])
    hold = reserve(voucher=voucher, customer="cus_1")
    assert (hold["outcome"], confirm(hold)["outcome"]) == ("accepted", "accepted")
    assert reserve(voucher=voucher, customer="cus_1")["reason"] == "customer_limit_reached"


def test_the_limit_can_be_lowered_to_the_places_taken_and_held():
    """A returned place does not count."""
    voucher = create_voucher(**TWO)["id"]
    redeem(voucher=voucher, **IN_2027)
    end_subscription("sub_0")
    reserve(voucher=voucher)
    body = {"project": "gigs", "voucher": voucher, "restrictions": {"maximumRedemptions": 1}}
    assert task_named("vouchers.update")(request=body)["status"] == "available"


def test_ending_a_subscription_leaves_its_holds_open():
    """A hold has granted nothing yet. Later, it is confirmed or lapses."""
    voucher = create_voucher(**TWO)["id"]
    hold, other = (reserve(voucher=voucher, subscription=each) for each in ("sub_x", "sub_y"))
    assert [end_subscription(each)["placesReturned"] for each in ("sub_x", "sub_y")] == [0, 0]
    assert stored() == ["open", "open"]
    redeemed = confirm(hold)
    assert (redeemed["outcome"], redeemed["redemptionNumber"]) == ("accepted", 1)
    assert apply(subscription="sub_x", period={"start": "2098-01-01", "end": "2098-02-01"})["discountTotal"] == 800
    lapse()
    assert [reserve(voucher=voucher)["outcome"], other["outcome"]] == ["accepted", "accepted"]


@pytest.mark.usefixtures("wide_pool")
def test_places_that_are_returned_while_others_want_them_are_held_once():
    """Eight of eight places are returned while 24 customers want a place. The audit after the test counts them."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 8})["id"]
    for number in range(8):
        redeem(voucher=voucher, subscription=f"sub_mine_{number}", startsOn="2027-01-01")
    ends = [{"project": "gigs", "subscription": f"sub_mine_{number}"} for number in range(8)]
    wanted = [redemption(voucher=voucher) for _ in range(24)]
    answers = at_once([*send("subscriptions.end", ends), *send("redemptions.reserve", wanted)])
    assert [each["placesReturned"] for each in answers[:8]] == [1] * 8
    held = [each["outcome"] for each in answers[8:]].count("accepted")
    assert [reserve(voucher=voucher)["outcome"] for _ in range(9 - held)] == ["accepted"] * (8 - held) + ["refused"]


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_a_discount_whose_cycle_is_given_back_takes_no_held_place(kind):
    """It stays completed and uses the cycle all the same. The hold is confirmed, and a second discount runs."""
    voucher = create_voucher(**ONCE)["id"]
    redeem(voucher=voucher, **IN_2027)
    apply(invoice="inv_1", subscription="sub_0")
    hold = reserve(voucher=voucher, **IN_2027)
    assert [each["status"] for each in reverse("inv_1", kind)["discounts"]] == ["completed"]
    assert confirm(hold)["outcome"] == "accepted"
    assert [apply(subscription="sub_0")["discountTotal"] for _ in range(3)] == [800, 800, 0]


@pytest.mark.parametrize("how", ["lapsed", "released", "elsewhere", "another voucher"])
def test_a_discount_whose_cycle_is_given_back_runs_again_if_nothing_is_held(how):
    """A hold that has lapsed, was released, or is of another subscription or voucher does not prevent that."""
    voucher = create_voucher(**ONCE)["id"]
    redeem(voucher=voucher, **IN_2027)
    apply(invoice="inv_1", subscription="sub_0")
    held = create_voucher()["id"] if how == "another voucher" else voucher
    hold = reserve(**{"voucher": held, **IN_2027, **({"subscription": "sub_1"} if how == "elsewhere" else {})})
    if how == "lapsed":
        lapse()
    if how == "released":
        release(hold)
    assert [each["status"] for each in reverse("inv_1")["discounts"]] == ["running"]
