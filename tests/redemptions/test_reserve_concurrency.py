"""Reserve at the same moment, with real connections and commits."""

from collections import Counter

import pytest

from tests.support.concurrency import at_once, send
from tests.support.holds import reference, stored, voucher_held
from tests.support.requests import add_codes, create_voucher, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")


def reasons(answers: list[dict]) -> Counter:
    """Count the answers by their reason."""
    return Counter(answer["reason"] for answer in answers)


@pytest.mark.slow
def test_150_reserves_on_a_voucher_limited_to_100():
    """Exactly 100 places are held and 50 requests are refused. After 30 releases, exactly 30 more requests fit."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 100})
    requests = [redemption(voucher=voucher["id"]) for _ in range(150)]
    answers = at_once(send("redemptions.reserve", requests))
    assert reasons(answers) == {None: 100, "fully_reserved": 50}
    assert all(answer["retryable"] == (answer["reason"] is not None) for answer in answers)
    held = [answer for answer in answers if answer["reason"] is None]
    # Each hold is released twice.
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


@pytest.mark.slow
def test_reserves_and_redemptions_share_the_places():
    """The places of a code, and the places of its voucher."""
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
    """All bodies but the first are conflicts, whatever vouchers and subscriptions they name."""
    bodies = [redemption(voucher=create_voucher()["id"], requestId="order-1") for _ in range(12)]
    assert reasons(at_once(send("redemptions.reserve", bodies))) == {None: 1, "idempotency_conflict": 11}


def test_a_customer_at_once_holds_no_more_than_the_customer_limit():
    """A later request replaces an earlier hold of the customer, so no request is refused."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 3})
    requests = [redemption(voucher=voucher["id"], customer="cus_greedy") for _ in range(16)]
    assert reasons(at_once(send("redemptions.reserve", requests))) == {None: 16}
    assert Counter(stored()) == {"open": 3, "replaced": 13}
