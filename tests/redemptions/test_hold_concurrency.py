"""Promises about holds under concurrency, with threads, connections and commits of their own."""

from collections import Counter

import pytest

from tests.support.concurrency import at_once, send
from tests.support.holds import lapse, reference, reserve, stored, voucher_held
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")


def reasons(answers: list[dict]) -> Counter:
    """This function will count what was answered."""
    return Counter(answer["reason"] for answer in answers)


def test_150_reserves_on_a_voucher_limited_to_100():
    """Exactly 100 are held and 50 find it fully reserved; 30 are released, and exactly 30 more fit."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 100})
    requests = [redemption(voucher=voucher["id"]) for _ in range(150)]
    answers = at_once(send("redemptions.reserve", requests))
    assert reasons(answers) == {None: 100, "fully_reserved": 50}
    assert all(answer["retryable"] == (answer["reason"] is not None) for answer in answers)
    held = [answer for answer in answers if answer["reason"] is None]
    # Each is asked for twice.
    released = at_once(send("redemptions.release", [reference(each) for each in held[:30]] * 2))
    assert {answer["status"] for answer in released} == {"released"}
    refused = [body for body, answer in zip(requests, answers, strict=True) if answer["reason"]]
    again = at_once(send("redemptions.reserve", refused))
    assert reasons(again) == {None: 30, "fully_reserved": 20}
    held = held[30:] + [answer for answer in again if answer["reason"] is None]
    confirmed = at_once(send("redemptions.confirm", [reference(each) for each in held]))
    assert sorted(answer["redemptionNumber"] for answer in confirmed) == list(range(1, 101))
    shown = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (shown["redemptions"], shown["retiredReason"]) == (100, "maxRedemptionsReached")


def test_reserves_and_redemptions_share_the_places():
    """Of one voucher and one code, at once."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 20})
    add_codes(voucher, {"code": "TEN", "maximumRedemptions": 10})
    calls = [
        *send("redemptions.reserve", [redemption(code="TEN") for _ in range(16)]),
        *send("redemptions.redeem", [redemption(code="TEN") for _ in range(16)]),
    ]
    assert reasons(at_once(calls))[None] == 10
    calls = [
        *send("redemptions.reserve", [redemption(voucher=voucher["id"]) for _ in range(16)]),
        *send("redemptions.redeem", [redemption(voucher=voucher["id"]) for _ in range(16)]),
    ]
    assert reasons(at_once(calls))[None] == 10


def test_one_request_delivered_many_times_at_once_holds_one_place():
    """Every copy gets the same answer."""
    voucher = create_voucher()
    answers = at_once(send("redemptions.reserve", [redemption(voucher=voucher["id"])] * 16))
    assert all(answer == answers[0] for answer in answers)
    assert voucher_held() == 1


def test_one_request_id_with_many_bodies_at_once_is_decided_once():
    """Whatever vouchers and subscriptions they name."""
    bodies = [redemption(voucher=create_voucher()["id"], requestId="order-1") for _ in range(12)]
    assert reasons(at_once(send("redemptions.reserve", bodies))) == {None: 1, "idempotency_conflict": 11}


def test_a_customer_at_once_holds_no_more_than_its_limit():
    """Its later requests take the places of its earlier ones: none is refused."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 3})
    requests = [redemption(voucher=voucher["id"], customer="cus_greedy") for _ in range(16)]
    assert reasons(at_once(send("redemptions.reserve", requests))) == {None: 16}
    assert Counter(stored()) == {"open": 3, "replaced": 13}


def test_a_confirmation_delivered_many_times_at_once_is_one_redemption():
    """By the hold's id and by the request's."""
    hold = reserve(voucher=create_voucher()["id"])
    by_request = {"project": "gigs", "requestId": hold["requestId"]}
    answers = at_once(send("redemptions.confirm", [reference(hold), by_request] * 8))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["redemptionNumber"] == 1


@pytest.mark.parametrize("has_lapsed", [False, True])
def test_confirming_releasing_lapsing_and_reserving_at_once_never_give_a_place_twice(has_lapsed):
    """Ten places, each confirmed, released and swept at once, while others want them. The audit says the rest."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 10})
    held = [reserve(voucher=voucher["id"]) for _ in range(10)]
    if has_lapsed:
        lapse()
    named = [reference(each) for each in held]
    calls = [
        *send("redemptions.confirm", named),
        *send("redemptions.release", named),
        *send("redemptions.reserve", [redemption(voucher=voucher["id"]) for _ in range(16)]),
        *send("redemptions.redeem", [redemption(voucher=voucher["id"]) for _ in range(16)]),
        *send("expiry.sweep", [{}] * 6),
    ]
    answers = at_once(calls)
    confirmed, released = answers[:10], answers[10:20]
    for redeemed, given_back in zip(confirmed, released, strict=True):
        if redeemed["outcome"] == "accepted":
            assert given_back["status"] == "confirmed"
        elif not has_lapsed:
            assert (redeemed["reason"], given_back["status"]) == ("hold_released", "released")
    task_named("expiry.sweep")(request={})
    # Asked again when all is quiet: what was confirmed stays so, and so does what was released.
    for hold, first in zip(named, confirmed, strict=True):
        again = at_once(send("redemptions.confirm", [hold] * 2))
        assert again[0]["outcome"] == again[1]["outcome"]
        if first["outcome"] == "accepted":
            assert again == [first] * 2
    taken = (
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["redemptions"]
        + voucher_held()
    )
    assert taken <= 10
    redeem(voucher=voucher["id"])


def test_holds_of_several_vouchers_on_one_subscription_never_deadlock():
    """Vouchers first, then subscriptions, in every use case; confirming and releasing among redemptions in batches."""
    made = [create_voucher()["id"] for _ in range(6)]
    held = [reserve(voucher=each, subscription="sub_1", customer="cus_1") for each in made]
    batch = [redemption(voucher=each, subscription="sub_1", customer="cus_1") for each in made]
    calls = [
        *send("redemptions.confirm", [reference(each) for each in held]),
        *send("redemptions.release", [reference(each) for each in held[::-1]]),
        *send("redemptions.redeem_many", [{"requests": batch}, {"requests": batch[::-1]}] * 3),
        *send("redemptions.reserve", [redemption(voucher=each, subscription="sub_1") for each in made * 2]),
        *send("expiry.sweep", [{}] * 4),
    ]
    assert len(at_once(calls)) == len(calls)
