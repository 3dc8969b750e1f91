"""Reversals and endings at once, with threads, connections and commits of their own; the audit follows each test."""

from collections import Counter

import pytest

from tests.support.concurrency import at_once, send
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.reversals import discount_row, refund
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")

ONCE = {"recurrence": {"type": "once"}}


def reversal(**fields) -> dict:
    """This function will return a request that voids inv_1, except for what is said otherwise."""
    return {"project": "gigs", "invoice": "inv_1", "reason": "voided", **fields}


def refunded(number: int, amount: int = 1000) -> dict:
    """This function will return a request that refunds so much of inv_1."""
    lines = [{"id": "base", "amount": amount}]
    return reversal(reason="refunded", requestId=f"r{number}", lines=lines)


def grant(**fields) -> dict:
    """This function will redeem a new voucher on sub_1, from 2027 on."""
    return redeem(voucher=create_voucher(**fields)["id"], subscription="sub_1", startsOn="2027-01-01")


@pytest.mark.parametrize("reason", ["voided", "payment_failed"])
def test_two_reversals_at_once_have_one_effect_and_one_answer(reason):
    """16 of them, with one request id, with many, and with none."""
    grant()
    apply(invoice="inv_1")
    apply(invoice="inv_2")
    ids = [{"requestId": "r0"}] * 6 + [{"requestId": f"r{number}"} for number in range(1, 6)] + [{}] * 5
    answers = at_once(send("billing.reverse", [reversal(reason=reason, **each) for each in ids]))
    assert all(answer == answers[0] for answer in answers)
    assert (discount_row().cycles, discount_row().entries_given_back) == (1, 1)


def test_a_void_and_a_failed_payment_at_once_are_one_of_them():
    """The other is refused."""
    grant()
    apply(invoice="inv_1")
    reasons = ["voided", "payment_failed"] * 6
    answers = at_once(send("billing.reverse", [reversal(reason=reason) for reason in reasons]))
    counts = Counter((answer["reversalReason"], answer["reason"]) for answer in answers)
    assert sorted(counts.values()) == [6, 6]
    assert {reason for _, reason in counts} == {None, "already_reversed"}


def test_refunds_at_once_never_exceed_the_line_and_add_up_to_the_discount():
    """16 refunds of an eighth: 8 are made, and each request delivered twice is one."""
    voucher = create_voucher(priceDiscount={"amount": 701, "currency": "USD"})["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(invoice="inv_1")
    answers = at_once(send("billing.reverse", [refunded(number) for number in range(16)] * 2))
    assert Counter(answer["reason"] for answer in answers) == {None: 16, "amount_exceeds_line": 16}
    assert answers[:16] == answers[16:]
    assert sum(answer["discountTotal"] for answer in answers[:16] if answer["reason"] is None) == 701


def test_a_cycle_that_comes_back_is_had_once_at_once():
    """A `once` is given back while 12 invoices ask for it: at most one gets it, and one of them or a later one does."""
    grant(**ONCE)
    apply(invoice="inv_1")
    calls = send("billing.reverse", [reversal()] * 4) + send("billing.apply", [invoice() for _ in range(12)])
    answers = at_once(calls)[4:]
    later = [apply() for _ in range(2)]
    assert Counter(answer["discountTotal"] for answer in [*answers, *later]) == {800: 1, 0: 13}


def test_a_cycle_that_comes_back_and_redemptions_at_once_leave_one_running():
    """The voucher runs once on its subscription, whoever was first."""
    first = grant(**ONCE)
    apply(invoice="inv_1")
    again = [redemption(voucher=first["voucher"], subscription="sub_1") for _ in range(8)]
    answers = at_once(send("billing.reverse", [reversal()] * 4) + send("redemptions.redeem", again))
    granted = sum(answer["reason"] is None for answer in answers[4:])
    page = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1", "status": ["running"]})
    assert (granted, len(page["items"])) in {(0, 1), (1, 1)}
    assert {answer["reason"] for answer in answers[4:]} <= {None, "already_applied"}


def test_what_is_ended_stays_so_whatever_happens_at_once():
    """Reversals, invoices and redemptions, which complete what is over."""
    first = grant(recurrence={"type": "repeating", "durationInMonths": 1})
    apply(invoice="inv_1", period={"start": "2027-02-01", "end": "2027-03-01"})
    answers = at_once(
        send("discounts.end", [{"project": "gigs", "discount": first["discount"]}] * 4)
        + send("billing.reverse", [reversal()] * 4)
        + send("billing.apply", [invoice() for _ in range(4)])
        + send("redemptions.redeem", [redemption(voucher=first["voucher"], subscription="sub_1") for _ in range(4)])
    )
    assert len({answer["endedAt"] for answer in answers[:4]}) == 1
    (item,) = [
        each
        for each in task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
        if each["id"] == first["discount"]
    ]
    assert (item["status"], item["endedAt"]) == ("ended", answers[0]["endedAt"])


def test_a_place_comes_back_once_and_is_taken_once_at_once():
    """One place, 8 endings of its subscription, and 16 who want it."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 1})["id"]
    redeem(code="SUMMER", subscription="sub_1")
    endings = [{"project": "gigs", "subscription": "sub_1"}] * 8
    wanted = [redemption(code="SUMMER") for _ in range(16)]
    answers = at_once(send("subscriptions.end", endings) + send("redemptions.redeem", wanted))
    assert Counter(answer["placesReturned"] for answer in answers[:8]) == {1: 1, 0: 7}
    late = redeem(code="SUMMER")
    assert sum(answer["reason"] is None for answer in [*answers[8:], late]) == 1
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})["redemptions"] == 1


def test_a_customers_place_is_freed_once_at_once():
    """The last refund of several, while the customer asks for it: one more is granted in all."""
    voucher = create_voucher(**ONCE, restrictions={"maximumRedemptionsPerCustomer": 1})["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01")
    apply(invoice="inv_1")
    wanted = [redemption(voucher=voucher, customer="cus_1") for _ in range(8)]
    answers = at_once(
        send("billing.reverse", [refunded(number) for number in range(8)]) + send("redemptions.redeem", wanted)
    )
    assert {answer["reason"] for answer in answers[8:]} <= {None, "customer_limit_reached"}
    late = redeem(voucher=voucher, customer="cus_1")
    assert sum(answer["reason"] is None for answer in [*answers[8:], late]) == 1
    assert refund("inv_1", "late", base=1)["reason"] == "amount_exceeds_line"
