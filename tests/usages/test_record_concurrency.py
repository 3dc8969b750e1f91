"""Record usage and stamps at the same moment, with real connections and commits."""

from collections import Counter

import pytest

from tests.support.concurrency import at_once, send
from tests.support.requests import (
    create_voucher,
    record,
    redemption,
    usage,
)
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")


@pytest.mark.slow
def test_64_stamps_at_once_on_a_card_of_10():
    """Exactly 6 discounts, numbered 1 to 6, and 4 stamps on the seventh card."""
    voucher = create_voucher(stampCard={"stamps": 10})["id"]
    answers = at_once(
        send("usages.record", [usage(voucher=voucher, stamp=1, subscription=f"sub_{index}") for index in range(64)])
    )
    completed = [answer["redemption"] for answer in answers if answer["redemption"]]
    assert sorted(each["redemptionNumber"] for each in completed) == [1, 2, 3, 4, 5, 6]
    assert Counter(answer["currentStamp"] for answer in answers) == Counter([*range(10)] * 6 + [1, 2, 3, 4])
    assert record(voucher=voucher, usage=1)["currentStamp"] == 4


def test_one_entry_delivered_many_times_at_once_has_one_effect_and_one_answer():
    """The entry completes a card, and every copy gets the same answer."""
    voucher = create_voucher(stampCard={"stamps": 2})["id"]
    answers = at_once(send("usages.record", [usage(voucher=voucher, stamp=2)] * 16))
    assert all(answer == answers[0] for answer in answers)
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})["redemptions"] == 1


def test_one_reference_with_many_bodies_at_once_is_recorded_once():
    """All bodies but the first are conflicts."""
    voucher = create_voucher()["id"]
    bodies = [usage(voucher=voucher, ref="receipt-1", usage=number) for number in range(1, 13)]
    answers = at_once(send("usages.record", bodies))
    assert Counter(answer["reason"] for answer in answers) == {None: 1, "idempotency_conflict": 11}


def test_stamps_and_redemptions_of_several_vouchers_on_one_subscription_never_deadlock():
    """Every use case locks vouchers first and subscriptions second."""
    cards = [create_voucher(stampCard={"stamps": 2})["id"] for _ in range(4)]
    plain = [create_voucher()["id"] for _ in range(4)]
    calls = [
        *send("usages.record", [usage(voucher=each, stamp=2, subscription="sub_1") for each in cards * 4]),
        *send(
            "redemptions.redeem_many",
            [{"requests": [redemption(voucher=each, subscription="sub_1") for each in plain]} for _ in range(8)],
        ),
    ]
    answers = at_once(calls)
    outcomes = Counter(answer["redemption"]["reason"] for answer in answers[:16])
    assert outcomes == {None: 4, "already_applied": 12}
