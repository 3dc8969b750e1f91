"""Confirm and release holds at the same moment, with real connections and commits."""

import pytest

from tests.support.concurrency import at_once, send
from tests.support.holds import lapse, reference, reserve, voucher_held
from tests.support.requests import create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_a_confirmation_delivered_many_times_at_once_is_one_redemption():
    """The hold is named by its own id and by its request id."""
    hold = reserve(voucher=create_voucher()["id"])
    by_request = {"project": "gigs", "requestId": hold["requestId"]}
    answers = at_once(send("redemptions.confirm", [reference(hold), by_request] * 8))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["redemptionNumber"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("has_lapsed", [False, True])
def test_confirming_releasing_lapsing_and_reserving_at_once_never_gives_a_place_twice(has_lapsed):
    """Ten places are confirmed, released and swept while other customers want them. The audit checks the rows."""
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
    for confirm_answer, release_answer in zip(confirmed, released, strict=True):
        if confirm_answer["outcome"] == "accepted":
            assert release_answer["status"] == "confirmed"
        elif not has_lapsed:
            assert (confirm_answer["reason"], release_answer["status"]) == ("hold_released", "released")
    task_named("expiry.sweep")(request={})
    # Sent again afterwards: a confirmed hold stays confirmed, and a released hold stays released.
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
    """Every use case locks vouchers first and subscriptions second."""
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
