"""Redeem at the same moment, with real connections and commits."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tasks.vouchers.create import create_voucher as create_voucher_in
from tasks.vouchers.messages import CreateVoucher, RetireVoucher
from tasks.vouchers.retire import retire_voucher
from tests.support.concurrency import at_once, send, until_somebody_waits
from tests.support.requests import (
    apply,
    create_voucher,
    invoice,
    redeem,
    redemption,
    voucher_body,
)
from tests.support.tasks import task_named
from worker import database as db

pytestmark = pytest.mark.usefixtures("wide_pool")

SEED = 20_260_301


def test_64_callers_on_a_voucher_limited_to_10():
    """Exactly 10 are accepted, numbered 1 to 10, and 54 are refused with `max_redemptions_reached`."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 10})
    answers = at_once(send("redemptions.redeem", [redemption(voucher=voucher["id"]) for _ in range(64)]))
    assert Counter(answer["reason"] for answer in answers) == {None: 10, "max_redemptions_reached": 54}
    numbers = sorted(answer["redemptionNumber"] for answer in answers if answer["outcome"] == "accepted")
    assert numbers == list(range(1, 11))


def test_while_places_are_left_contention_refuses_no_request():
    """32 batches of 20 requests redeem a voucher that has a place for each of them."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 640})
    batches = [{"requests": [redemption(voucher=voucher["id"]) for _ in range(20)]} for _ in range(32)]
    answers = [item for each in at_once(send("redemptions.redeem_many", batches)) for item in each["items"]]
    assert sorted(answer["redemptionNumber"] for answer in answers) == list(range(1, 641))
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["retiredReason"] == (
        "maxRedemptionsReached"
    )


@pytest.mark.parametrize("code", ["SUMMER", "UNKNOWN"])
def test_one_request_delivered_many_times_at_once_has_one_effect_and_one_answer(code):
    """Accepted or not found, every copy gets the same answer."""
    create_voucher(code="SUMMER")
    answers = at_once(send("redemptions.redeem", [redemption(code=code)] * 16))
    assert all(answer == answers[0] for answer in answers)


def test_one_request_id_with_many_bodies_at_once_is_decided_once():
    """All bodies but the first are conflicts, whatever vouchers and subscriptions they name."""
    bodies = [redemption(voucher=create_voucher()["id"], requestId="order-1") for _ in range(12)]
    answers = at_once(send("redemptions.redeem", bodies))
    assert Counter(answer["reason"] for answer in answers) == {None: 1, "idempotency_conflict": 11}
    stored = task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": "order-1"})
    assert stored in answers


def test_a_customers_limit_holds_at_once():
    """A customer sends 16 requests for three places."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 3})
    requests = [redemption(voucher=voucher["id"], customer="cus_greedy") for _ in range(16)]
    answers = at_once(send("redemptions.redeem", requests))
    assert Counter(answer["reason"] for answer in answers) == {None: 3, "customer_limit_reached": 13}


def test_a_voucher_runs_once_on_a_subscription_at_once():
    """16 customers redeem the voucher for the same subscription."""
    voucher = create_voucher()
    answers = at_once(
        send("redemptions.redeem", [redemption(voucher=voucher["id"], subscription="sub_1") for _ in range(16)])
    )
    assert Counter(answer["reason"] for answer in answers) == {None: 1, "already_applied": 15}


@pytest.mark.slow
def test_a_subscriptions_limit_holds_across_different_vouchers_at_once():
    """30 vouchers are redeemed for a subscription that takes 20 discounts."""
    requests = [redemption(voucher=create_voucher()["id"], subscription="sub_1") for _ in range(30)]
    answers = at_once(send("redemptions.redeem", requests))
    assert Counter(answer["reason"] for answer in answers) == {None: 20, "discount_limit_reached": 10}


def test_batches_in_any_order_never_deadlock():
    """16 batches have the same requests in different orders. After a deadlock, the task would raise Retry here."""
    ids = [create_voucher()["id"] for _ in range(20)]
    requests = [redemption(voucher=each, subscription=f"sub_{index % 7}") for index, each in enumerate(ids)]
    source = random.Random(SEED)  # noqa: S311 - an order, no secret
    batches = [{"requests": source.sample(requests, len(requests))} for _ in range(16)]
    answers = [item for each in at_once(send("redemptions.redeem_many", batches)) for item in each["items"]]
    assert len({answer["id"] for answer in answers}) == 20
    assert {answer["outcome"] for answer in answers} == {"accepted"}


def test_redeeming_applying_and_sweeping_at_once_gives_the_same_answers_as_in_turn():
    """The audit after the test checks the rows."""
    expiring = create_voucher(restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    window = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    for number in range(8):
        redeem(voucher=window["id"], subscription=f"sub_{number}", startsOn="2026-01-01")
        apply(subscription=f"sub_{number}", period={"start": "2026-01-01", "end": "2026-02-01"})
    again = [redemption(voucher=window["id"], subscription=f"sub_{number}") for number in range(8)]
    late = [
        invoice(subscription=f"sub_{number}", period={"start": "2026-01-20", "end": "2026-02-20"})
        for number in range(8)
    ]
    calls = [
        *send("redemptions.redeem", again),
        *send("billing.apply", late),
        *send("expiry.sweep", [{}] * 8),
        *send("redemptions.redeem", [redemption(voucher=expiring["id"]) for _ in range(8)]),
    ]
    answers = at_once(calls)
    assert [answer["outcome"] for answer in answers[:8]] == ["accepted"] * 8
    assert [answer["discounts"][0]["amount"] for answer in answers[8:16]] == [800] * 8
    assert {answer["reason"] for answer in answers[24:]} == {"voucher_expired"}
    task_named("expiry.sweep")(request={})
    assert (
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": expiring["id"]})["status"] == "retired"
    )


def test_a_code_that_changes_hands_during_a_wait_names_the_new_voucher():
    """While a redemption waits for the old voucher, that voucher is retired and a new voucher gets the code."""
    old = create_voucher(code="SUMMER")
    reference = {"project": "gigs", "voucher": old["id"]}
    with db.transaction() as holder:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(redeem, code="SUMMER")
            until_somebody_waits(holder)
            retire_voucher(holder, RetireVoucher.model_validate(reference))
            new = create_voucher_in(holder, CreateVoucher.model_validate(voucher_body(code="SUMMER")))
            holder.commit()
            assert (waiting.result()["outcome"], waiting.result()["voucher"]) == ("accepted", new["id"])


def test_a_voucher_that_expires_during_a_wait_is_refused():
    """The decision's instant is after the wait for the lock, not at the start of the transaction."""
    voucher = create_voucher()
    with db.transaction() as holder:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(redeem, voucher=voucher["id"])
            until_somebody_waits(holder)
            holder.execute(text("UPDATE vouchers SET expires_at = clock_timestamp()"))
            holder.commit()
            assert waiting.result()["reason"] == "voucher_expired"


def test_a_batch_waits_for_a_known_subscription_though_it_adds_another():
    """A row that the batch adds is locked already, but a known row has to be locked too."""
    known = redeem(voucher=create_voucher()["id"])["subscription"]
    names = (known, "sub_new")
    requests = [redemption(voucher=create_voucher()["id"], subscription=name) for name in names]
    with db.transaction() as holder:
        holder.execute(text("SELECT 1 FROM subscriptions FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(task_named("redemptions.redeem_many"), request={"requests": requests})
            until_somebody_waits(holder)
            holder.commit()
            assert [item["outcome"] for item in waiting.result()["items"]] == ["accepted"] * 2
