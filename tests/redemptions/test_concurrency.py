"""Promises about concurrency, with threads, connections and commits of their own."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from sqlalchemy import text

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tasks.vouchers.create import create_voucher as create_voucher_in
from tasks.vouchers.messages import CreateVoucher, VoucherReference
from tasks.vouchers.retire import retire_voucher
from tasks.wire.errors import InvalidRequest
from tests.support.concurrency import at_once, send, until_somebody_waits
from tests.support.requests import apply, create_voucher, invoice, record, redeem, redemption, usage, voucher_body
from tests.support.tasks import task_named
from worker import database as db

pytestmark = pytest.mark.usefixtures("wide_pool")


SEED = 20_260_301


def test_64_callers_on_a_voucher_limited_to_10():
    """Exactly 10 accepted, numbered 1 to 10, and 54 refused for that one reason."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 10})
    answers = at_once(send("redemptions.redeem", [redemption(voucher=voucher["id"]) for _ in range(64)]))
    assert Counter(answer["reason"] for answer in answers) == {None: 10, "max_redemptions_reached": 54}
    numbers = sorted(answer["redemptionNumber"] for answer in answers if answer["outcome"] == "accepted")
    assert numbers == list(range(1, 11))


def test_with_capacity_left_no_contention_refuses_anybody():
    """32 batches of 20 on one voucher with room for all of them."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 640})
    batches = [{"requests": [redemption(voucher=voucher["id"]) for _ in range(20)]} for _ in range(32)]
    answers = [item for each in at_once(send("redemptions.redeem_many", batches)) for item in each["items"]]
    assert sorted(answer["redemptionNumber"] for answer in answers) == list(range(1, 641))
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["retiredReason"] == (
        "maxRedemptionsReached"
    )


@pytest.mark.parametrize("code", ["SUMMER", "UNKNOWN"])
def test_one_request_delivered_many_times_at_once_has_one_effect_and_one_answer(code):
    """Accepted or not found: every copy gets the same answer."""
    create_voucher(code="SUMMER")
    answers = at_once(send("redemptions.redeem", [redemption(code=code)] * 16))
    assert all(answer == answers[0] for answer in answers)


def test_one_request_id_with_many_bodies_at_once_is_decided_once():
    """One body wins; all the others are conflicts, whatever vouchers and subscriptions they name."""
    bodies = [redemption(voucher=create_voucher()["id"], requestId="order-1") for _ in range(12)]
    answers = at_once(send("redemptions.redeem", bodies))
    assert Counter(answer["reason"] for answer in answers) == {None: 1, "idempotency_conflict": 11}
    stored = task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": "order-1"})
    assert stored in answers


def test_a_customers_limit_holds_at_once():
    """One customer, 16 requests, three places."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 3})
    requests = [redemption(voucher=voucher["id"], customer="cus_greedy") for _ in range(16)]
    answers = at_once(send("redemptions.redeem", requests))
    assert Counter(answer["reason"] for answer in answers) == {None: 3, "customer_limit_reached": 13}


def test_a_voucher_runs_once_on_a_subscription_at_once():
    """Different customers of one subscription, say."""
    voucher = create_voucher()
    answers = at_once(
        send("redemptions.redeem", [redemption(voucher=voucher["id"], subscription="sub_1") for _ in range(16)])
    )
    assert Counter(answer["reason"] for answer in answers) == {None: 1, "already_applied": 15}


def test_a_subscriptions_limit_holds_across_different_vouchers_at_once():
    """30 vouchers, 20 places."""
    requests = [redemption(voucher=create_voucher()["id"], subscription="sub_1") for _ in range(30)]
    answers = at_once(send("redemptions.redeem", requests))
    assert Counter(answer["reason"] for answer in answers) == {None: 20, "discount_limit_reached": 10}


def test_batches_in_any_order_never_deadlock():
    """The same vouchers, subscriptions and ids in 16 orders, each decided once; a deadlock would be a Retry here."""
    ids = [create_voucher()["id"] for _ in range(20)]
    requests = [redemption(voucher=each, subscription=f"sub_{index % 7}") for index, each in enumerate(ids)]
    source = random.Random(SEED)  # noqa: S311 - an order, no secret
    batches = [{"requests": source.sample(requests, len(requests))} for _ in range(16)]
    answers = [item for each in at_once(send("redemptions.redeem_many", batches)) for item in each["items"]]
    assert len({answer["id"] for answer in answers}) == 20
    assert {answer["outcome"] for answer in answers} == {"accepted"}


def test_one_invoice_delivered_many_times_at_once_is_discounted_once():
    """With a discount (a row to lock) and without one (only the constraint)."""
    for subscription in ("sub_1", "sub_without"):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
        answers = at_once(send("billing.apply", [invoice(subscription=subscription)] * 16))
        assert all(answer == answers[0] for answer in answers)


def test_once_is_used_once_at_once():
    """Sixteen invoices: one is discounted."""
    redeem(voucher=create_voucher(recurrence={"type": "once"})["id"], subscription="sub_1")
    answers = at_once(send("billing.apply", [invoice() for _ in range(16)]))
    assert sorted(answer["discountTotal"] for answer in answers) == [0] * 15 + [800]


def test_invoices_of_one_period_share_an_allowance_at_once():
    """Sixteen invoices of 80.00 in one period: 99.99 in all."""
    voucher = create_voucher(priceDiscount={"amount": 9999, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD")
    answers = at_once(send("billing.apply", [invoice() for _ in range(16)]))
    assert sorted(answer["discountTotal"] for answer in answers) == [0] * 14 + [1999, 8000]


def test_invoices_of_many_periods_share_a_balance_at_once():
    """Sixteen months of 80.00: 199.99 in all."""
    voucher = create_voucher(priceDiscount={"amount": 19_999, "currency": "USD"}, carryOver=True)
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD")
    periods = [{"start": f"20{year}-02-01", "end": f"20{year}-03-01"} for year in range(27, 43)]
    answers = at_once(send("billing.apply", [invoice(period=each) for each in periods]))
    assert sorted(answer["discountTotal"] for answer in answers) == [0] * 13 + [3999, 8000, 8000]


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
    """The one that completes a card, too."""
    voucher = create_voucher(stampCard={"stamps": 2})["id"]
    answers = at_once(send("usages.record", [usage(voucher=voucher, stamp=2)] * 16))
    assert all(answer == answers[0] for answer in answers)
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})["redemptions"] == 1


def test_one_reference_with_many_bodies_at_once_is_recorded_once():
    """One body wins, the others are conflicts."""
    voucher = create_voucher()["id"]
    bodies = [usage(voucher=voucher, ref="receipt-1", usage=number) for number in range(1, 13)]
    answers = at_once(send("usages.record", bodies))
    assert Counter(answer["reason"] for answer in answers) == {None: 1, "idempotency_conflict": 11}


def test_stamps_and_redemptions_of_several_vouchers_on_one_subscription_never_deadlock():
    """Vouchers first, then subscriptions, in every use case."""
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


def test_redeeming_applying_and_sweeping_at_once_is_what_it_is_one_after_the_other():
    """The audit after the test says the rest."""
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
    """The old one is locked while a redemption looks it up; then it is retired and the code is given anew."""
    old = create_voucher(code="SUMMER")
    reference = {"project": "gigs", "voucher": old["id"]}
    with db.transaction() as holder:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(redeem, code="SUMMER")
            until_somebody_waits(holder)
            retire_voucher(holder, VoucherReference.model_validate(reference))
            new = create_voucher_in(holder, CreateVoucher.model_validate(voucher_body(code="SUMMER")))
            holder.commit()
            assert (waiting.result()["outcome"], waiting.result()["voucher"]) == ("accepted", new["id"])


def test_a_voucher_that_ends_during_a_wait_is_over_for_whoever_waited():
    """The decision's instant is that after the lock, not the one at which its transaction began."""
    voucher = create_voucher()
    with db.transaction() as holder:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(redeem, voucher=voucher["id"])
            until_somebody_waits(holder)
            holder.execute(text("UPDATE vouchers SET expires_at = clock_timestamp()"))
            holder.commit()
            assert waiting.result()["reason"] == "voucher_expired"


def test_a_voucher_that_fills_up_while_somebody_retires_it_keeps_that_reason():
    """The first reason stays: whoever retires it waits, and looks afterwards."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    with db.transaction() as holder:
        redeem_all(holder, [Redeem.model_validate(redemption(voucher=voucher["id"]))])
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(
                task_named("vouchers.retire"), request={"project": "gigs", "voucher": voucher["id"]}
            )
            until_somebody_waits(holder)
            holder.commit()
            assert waiting.result()["retiredReason"] == "maxRedemptionsReached"


def test_a_batch_waits_for_a_known_subscription_though_it_brings_a_new_one():
    """Whoever adds a row holds it; the other one has to be locked."""
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


def test_one_code_created_many_times_at_once_belongs_to_one_voucher():
    """The others are told that it is taken; nobody waits for a retry to find out."""

    def attempt() -> str:
        try:
            return str(create_voucher(code="SUMMER")["id"])
        except InvalidRequest as refused:
            return str(refused.errors[0]["field"])

    answers = Counter(at_once([attempt] * 12))
    assert answers["code"] == 11


def test_one_creation_delivered_many_times_at_once_creates_one_voucher():
    """Every copy gets the same answer."""
    answers = at_once([lambda: create_voucher(code="SUMMER", requestId="r1")] * 12)
    assert all(answer == answers[0] for answer in answers)


def test_identities_sort_in_the_order_in_which_they_were_made():
    """What the order of discounts within one batch rests on."""
    made = [redeem(voucher=create_voucher()["id"])["id"] for _ in range(20)]
    assert all(earlier < later for earlier, later in pairwise(made))
    assert task_named("billing.apply")(request=invoice())["outcome"] == "applied"
