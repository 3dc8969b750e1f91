"""Discounts are moved and extended while others use them, in threads with real commits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tasks.discounts.messages import MoveDiscount
from tasks.discounts.move import move_to_subscription
from tests.invoices.calls import reversal
from tests.support.changes import extend, move, shown
from tests.support.concurrency import at_once, send, until_somebody_waits, until_waiting
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.reversals import MARCH, grant, reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")

BODY = {"project": "gigs", "actor": "anna"}
# A lock of the test, which every transaction that wants the discount waits for.
DISCOUNT = "SELECT FROM discounts FOR UPDATE"
LOCK_NEW = text("SELECT FROM subscriptions WHERE subscription = 'sub_2' FOR UPDATE")


def test_moves_at_once_follow_each_other():
    """Each begins where another has ended. The audit checks the chain."""
    discount = grant()["discount"]
    names = [f"sub_{number}" for number in range(2, 6)]
    at_once(send("discounts.move", [{**BODY, "discount": discount, "subscription": each} for each in names]))
    assert shown(discount)["subscription"] in names


def test_the_same_move_at_once_moves_once():
    """Under one request id."""
    discount = grant()["discount"]
    body = {**BODY, "discount": discount, "subscription": "sub_2", "requestId": "r1"}
    answers = at_once(send("discounts.move", [body] * 8))
    assert answers == [answers[0]] * 8
    assert len(shown(discount)["history"]) == 2


def test_of_two_discounts_and_redemptions_of_a_voucher_one_gets_the_place():
    """Two are moved to a subscription, and four requests redeem the voucher there."""
    voucher = create_voucher()["id"]
    old = [redeem(voucher=voucher, subscription=f"sub_{number}")["discount"] for number in (1, 2)]
    answers = at_once(
        send("discounts.move", [{**BODY, "discount": each, "subscription": "sub_3"} for each in old])
        + send("redemptions.redeem", [redemption(voucher=voucher, subscription="sub_3") for _ in range(4)])
    )
    assert Counter(each.get("reason") for each in answers) == {None: 1, "already_applied": 5}


def test_everything_at_once_leaves_a_ledger_without_a_fault():
    """Moves to and fro, extensions, invoices of both subscriptions, reversals and redemptions; the audit follows."""
    first = grant(recurrence={"type": "repeating", "durationInMonths": 1})
    apply(invoice="inv_1", period={"start": "2027-02-01", "end": "2027-03-01"})
    discount = first["discount"]
    places = ("sub_1", "sub_2")
    at_once(
        send("discounts.move", [{**BODY, "discount": discount, "subscription": places[n % 2]} for n in range(8)])
        + send("discounts.extend", [{**BODY, "discount": discount, "months": 1} for _ in range(4)])
        + send("billing.reverse", [reversal()] * 4)
        + send("billing.apply", [invoice(subscription=places[n % 2]) for n in range(8)])
        + send("redemptions.redeem", [redemption(voucher=first["voucher"], subscription=places[n % 2]) for n in (0, 1)])
    )
    assert shown(discount)["recurrence"]["durationInMonths"] == 5


@pytest.mark.parametrize("subscription", ["sub_1", "sub_2"])
def test_an_invoice_that_waits_for_a_move_sees_the_new_subscription(subscription):
    """Of a batch with invoices of both, exactly that of the new one is discounted. Alone, the old one gets nothing."""
    discount = grant()["discount"]
    move(grant()["discount"], "sub_3")
    bodies = [invoice(subscription=each) for each in ("sub_1", "sub_2")]
    wanted = bodies if subscription == "sub_2" else bodies[:1]
    with ThreadPoolExecutor(2) as threads, transaction() as holder:
        holder.execute(text(DISCOUNT))
        moving = threads.submit(move, discount)
        until_somebody_waits(holder)
        applying = threads.submit(task_named("billing.apply_many"), request={"invoices": wanted})
        until_waiting(holder, 2)
        holder.rollback()
        assert moving.result()["subscription"] == "sub_2"
        items = applying.result()["items"]
    assert [len(each["discounts"]) for each in items] == [0, 1][: len(wanted)]


@pytest.mark.parametrize("task", ["end", "extend", "move", "reverse"])
def test_whoever_waits_while_a_discount_is_moved_locks_its_new_subscription_too(task):
    """The request starts again, and then waits for a transaction that has the new subscription."""
    discount = grant(recurrence={"type": "repeating", "durationInMonths": 2})["discount"]
    apply(invoice="inv_1", period=MARCH)
    redeem(voucher=create_voucher()["id"], subscription="sub_2")
    calls = {
        "end": lambda: end(discount),
        "extend": lambda: extend(discount, months=1),
        "move": lambda: move(discount, "sub_3"),
        "reverse": lambda: reverse("inv_1"),
    }
    body = MoveDiscount.model_validate({**BODY, "discount": discount, "subscription": "sub_2"})
    with ThreadPoolExecutor(2) as threads, transaction() as other:
        with transaction() as moving:
            move_to_subscription(moving, body)
            waiting = threads.submit(calls[task])
            until_somebody_waits(moving)
            locking = threads.submit(other.execute, LOCK_NEW)
            until_waiting(moving, 2)
        locking.result()
        until_somebody_waits(other)
        other.rollback()
        assert waiting.result()["object"] in {"discount", "reversal"}
    assert shown(discount)["subscription"] == ("sub_3" if task == "move" else "sub_2")
