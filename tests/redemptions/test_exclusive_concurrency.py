"""Exclusive and usual vouchers at the same moment on a subscription, with real connections and commits."""

from collections import Counter

import pytest

from tests.support.concurrency import at_once, send
from tests.support.holds import reference, reserve
from tests.support.requests import create_voucher, redeem, redemption

pytestmark = pytest.mark.usefixtures("wide_pool")

HERE = {"subscription": "sub_1", "customer": "cus_1"}
MOVED = {"project": "gigs", "actor": "anna", "subscription": "sub_1"}


def outcomes(answers: list[dict]) -> Counter:
    """Count the answers by their reason. An accepted request has none."""
    return Counter(answer.get("reason") for answer in answers)


@pytest.mark.parametrize("task", ["redemptions.redeem", "redemptions.reserve"])
def test_of_exclusive_vouchers_at_once_one_gets_the_subscription(task):
    """Each is another voucher, so that only the subscription is shared."""
    bodies = [redemption(voucher=create_voucher(exclusive=True)["id"], **HERE) for _ in range(12)]
    assert outcomes(at_once(send(task, bodies))) == {None: 1, "not_combinable": 11}


@pytest.mark.parametrize("number", range(5))
def test_an_exclusive_and_a_usual_voucher_at_once_never_stand_together(number):
    """Two redemptions, and which of them is first is open."""
    vouchers = [create_voucher(exclusive=each)["id"] for each in (True, False)]
    bodies = [redemption(voucher=each, subscription=f"sub_{number}") for each in vouchers]
    assert outcomes(at_once(send("redemptions.redeem", bodies))) == {None: 1, "not_combinable": 1}


def test_redemptions_holds_and_moves_at_once_leave_one_exclusive_discount_or_hold():
    """All by different vouchers. A move beside a hold can be tried again. The audit looks afterwards."""
    old = [
        redeem(voucher=create_voucher(exclusive=True)["id"], subscription=f"sub_old_{each}")["discount"]
        for each in range(4)
    ]
    new = [redemption(voucher=create_voucher(exclusive=True)["id"], **HERE) for _ in range(8)]
    answers = at_once(
        send("discounts.move", [{**MOVED, "discount": each} for each in old])
        + send("redemptions.redeem", new[:4])
        + send("redemptions.reserve", new[4:])
    )
    moved, others = outcomes(answers[: len(old)]), outcomes(answers[len(old) :])
    assert moved[None] + others[None] == 1
    assert moved.keys() <= {None, "not_combinable", "fully_reserved"}
    assert others.keys() <= {None, "not_combinable"}


def test_a_confirmation_and_a_redemption_at_once():
    """The held place is kept, whichever comes first."""
    hold = reserve(voucher=create_voucher(exclusive=True)["id"], **HERE)
    usual = redemption(voucher=create_voucher()["id"], **HERE)
    confirmed, redeemed = at_once(send("redemptions.confirm", [reference(hold)]) + send("redemptions.redeem", [usual]))
    assert (confirmed["outcome"], redeemed["reason"]) == ("accepted", "not_combinable")
