"""A code's own limit for each customer, with holds, returned places, batches and many requests at once."""

from collections import Counter

import pytest

from tests.codes.calls import listed, set_voucher
from tests.support.concurrency import at_once, send
from tests.support.endings import end_subscription
from tests.support.holds import confirm, release, reserve
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.reversals import refund
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")

REACHED = "code_customer_limit_reached"
KIM = {"customer": "cus_kim"}


def coded(maximum: int = 1, **restrictions: object) -> dict:
    """Create a voucher with the codes EACH, which limits each customer, and FREE."""
    voucher = create_voucher(restrictions=restrictions)
    add_codes(voucher, {"code": "EACH", "maximumRedemptionsPerCustomer": maximum}, {"code": "FREE"})
    return voucher


def reasons(*requests: dict) -> list[str | None]:
    """Redeem in the given order and return the reasons."""
    return [redeem(**each)["reason"] for each in requests]


def test_a_customer_uses_a_code_as_often_as_it_says():
    """Other customers, other codes and the voucher's id have places of their own."""
    voucher = coded(2)
    kims = {**KIM, "code": "EACH"}
    others = [{**KIM, "code": "FREE"}, {**KIM, "voucher": voucher["id"]}, {"code": "each"}]
    assert reasons(*others, kims, kims, kims, *others) == [*[None] * 5, REACHED, *[None] * 3]


def test_the_vouchers_limit_comes_first():
    """Both are reached. The smaller limit is the one that a code shows."""
    voucher = coded(2, maximumRedemptionsPerCustomer=2)
    set_voucher(voucher, "maximum_redemptions_per_customer = 1")
    assert [each["maximumRedemptionsPerCustomer"] for each in listed(voucher)] == [None, 1]
    assert reasons({**KIM, "code": "EACH"}, {**KIM, "code": "EACH"}) == [None, "customer_limit_reached"]


def test_a_refusal_names_the_discount_to_move():
    """By this code, the customer can have no other."""
    coded()
    granted = redeem(code="EACH", **KIM)
    refused = redeem(code="EACH", **KIM)
    assert (refused["reason"], refused["retryable"], refused["discount"]) == (REACHED, False, granted["discount"])


def test_a_batch_counts_its_own_redemptions():
    """The same code in another spelling is the same code."""
    coded(2)
    requests = [redemption(code=code, **KIM) for code in ("EACH", "each", "Each")]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [each["reason"] for each in items] == [None, None, REACHED]


def test_a_held_place_counts_and_makes_way_for_its_customer():
    """A customer's own hold on another subscription is replaced, by the same code only."""
    coded(2)
    redeem(code="EACH", **KIM)
    elsewhere = reserve(code="FREE", **KIM)
    hold = reserve(code="EACH", **KIM)
    assert task_named("redemptions.validate")(request={"project": "gigs", "code": "EACH", "subscription": "s", **KIM})[
        "outcome"
    ] == ("accepted")
    assert redeem(code="EACH", **KIM)["outcome"] == "accepted"
    held = task_named("holds.list")(request={"project": "gigs", **KIM})["items"]
    assert {each["id"]: each["status"] for each in held} == {hold["id"]: "replaced", elsewhere["id"]: "open"}
    assert confirm(hold)["reason"] == REACHED
    assert confirm(elsewhere)["outcome"] == "accepted"


def test_a_hold_is_confirmed_within_the_limit():
    """It took the last place of the customer, which a release gives back."""
    coded()
    hold = reserve(code="EACH", **KIM)
    assert confirm(hold)["outcome"] == "accepted"
    assert reserve(code="EACH", **KIM)["reason"] == REACHED
    released = reserve(code="EACH", customer="cus_ben")
    release(released)
    assert reasons({"code": "EACH", "customer": "cus_ben"}) == [None]


def test_a_returned_place_can_be_taken_again():
    """That of a discount that took nothing, and that of a customer who was refunded in full."""
    coded()
    redeem(code="EACH", subscription="sub_unused", **KIM)
    end_subscription("sub_unused")
    assert reasons({**KIM, "code": "EACH", "subscription": "sub_1", "startsOn": "2027-01-01"}) == [None]
    apply(invoice="inv_1")
    assert reasons({**KIM, "code": "EACH"}) == [REACHED]
    refund("inv_1", "refund-1", base=8_000)
    assert reasons({**KIM, "code": "EACH"}, {**KIM, "code": "EACH"}) == [None, REACHED]


@pytest.mark.slow
def test_many_requests_at_once_share_the_limit():
    """Redemptions and holds of one customer: never more than three places are taken, and three are."""
    voucher = coded(3)
    calls = [
        *send("redemptions.redeem", [redemption(code="EACH", **KIM) for _ in range(16)]),
        *send("redemptions.redeem", [redemption(code="EACH") for _ in range(4)]),
    ]
    counted = Counter((each["customer"] == "cus_kim", each["reason"]) for each in at_once(calls))
    assert counted == {(True, None): 3, (True, REACHED): 13, (False, None): 4}
    by_text = {each["code"]: each["redemptions"] for each in listed(voucher)}
    assert by_text["EACH"] == 7
