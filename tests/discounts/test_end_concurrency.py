"""Discounts and subscriptions are ended while others change them, in threads with real commits."""

from collections import Counter

import pytest

from tests.invoices.calls import grant, reversal
from tests.support.concurrency import at_once, send
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_a_discount_that_is_ended_stays_ended_whatever_happens_at_once():
    """Reversals, invoices and redemptions come at the same time, and all of them may set the status."""
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


def test_ends_and_redemptions_at_once_return_and_take_a_place_once():
    """The voucher has one place. Its subscription is ended 8 times, and 16 redemptions want the place."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 1})["id"]
    redeem(code="SUMMER", subscription="sub_1")
    endings = [{"project": "gigs", "subscription": "sub_1"}] * 8
    wanted = [redemption(code="SUMMER") for _ in range(16)]
    answers = at_once(send("subscriptions.end", endings) + send("redemptions.redeem", wanted))
    assert Counter(answer["placesReturned"] for answer in answers[:8]) == {1: 1, 0: 7}
    late = redeem(code="SUMMER")
    assert sum(answer["reason"] is None for answer in [*answers[8:], late]) == 1
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})["redemptions"] == 1
