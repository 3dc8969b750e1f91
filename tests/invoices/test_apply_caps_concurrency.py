"""Budgets stay exact if many transactions take from them at once, in threads with real commits."""

import random
from functools import partial

import pytest

from tasks.celery import app
from tasks.wire.errors import InvalidRequest
from tests.invoices.budgets import spent
from tests.support.concurrency import at_once, send
from tests.support.requests import create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("wide_pool")

SEED = 20_260_301


def campaign(count: int, **budget: object) -> dict:
    """Grant half of everything to `count` subscriptions that share a budget."""
    voucher = create_voucher(priceDiscountPercentage=50, budget={"currency": "USD", **budget})
    requests = [redemption(voucher=voucher["id"], subscription=f"sub_{index}") for index in range(count)]
    app.tasks["redemptions.redeem_many"](request={"requests": requests})
    return voucher


def test_40_invoices_at_once_share_a_budget_to_the_last_unit():
    """25 invoices get 40.00, 1 gets the rest of 5.00, and 14 get nothing."""
    campaign(40, amount=100_500)
    answers = at_once(send("billing.apply", [invoice(subscription=f"sub_{index}") for index in range(40)]))
    assert sorted(each["discountTotal"] for each in answers) == [0] * 14 + [500] + [4_000] * 25
    assert {skipped["reason"] for each in answers for skipped in each["skipped"]} == {"budget_spent"}
    assert spent() == {"USD": 100_500}


def test_one_invoice_delivered_many_times_at_once_spends_once():
    """Every copy gets the same answer."""
    campaign(1, amount=100_000)
    answers = at_once(send("billing.apply", [invoice(subscription="sub_0")] * 16))
    assert all(each == answers[0] for each in answers)
    assert spent() == {"USD": 4_000}


@pytest.mark.slow
def test_batches_over_several_budgets_and_currencies_never_deadlock():
    """Each batch has its own subscriptions, and all share the budgets. A deadlock would raise an error here."""
    vouchers = [
        create_voucher(
            priceDiscountPercentage=50, budget={"amount": 20_000, "currency": "USD", "currencyOptions": {"EUR": 9_000}}
        )
        for _ in range(6)
    ]
    for index in range(64):
        for voucher in vouchers[index % 3 :: 2]:
            redeem(voucher=voucher["id"], subscription=f"sub_{index}")
    source = random.Random(SEED)  # noqa: S311 - an order, no secret
    batches = [
        {
            "invoices": [
                invoice(subscription=f"sub_{index}", currency=source.choice(["USD", "EUR"]))
                for index in source.sample(range(number, 64, 16), 4)
                for _ in range(3)
            ]
        }
        for number in range(16)
    ]
    at_once(send("billing.apply_many", batches))
    assert sorted(spent()) == ["EUR", "USD"]


def test_a_budget_is_lowered_while_it_is_spent():
    """In either order, the amount given never exceeds the budget."""
    voucher = campaign(16, amount=64_000)
    request = {"project": "gigs", "voucher": voucher["id"], "budget": {"amount": 30_000, "currency": "USD"}}

    def lower() -> int:
        try:
            return int(task_named("vouchers.update")(request=request)["budget"]["amount"])
        except InvalidRequest:
            return 64_000

    calls = send("billing.apply", [invoice(subscription=f"sub_{index}") for index in range(16)])
    *answers, budget = at_once([*calls, lower])
    assert sum(each["discountTotal"] for each in answers) == spent()["USD"] == min(64_000, budget)


def test_a_first_redemption_and_a_new_budget_at_once():
    """The discount is limited if the budget came first. The audit after the test compares the two."""
    for number in range(8):
        voucher = create_voucher(priceDiscountPercentage=50)
        change = {"project": "gigs", "voucher": voucher["id"], "budget": {"amount": 1, "currency": "USD"}}
        redemption_of_it = redemption(voucher=voucher["id"], subscription=f"sub_{number}")
        changed, redeemed = at_once(
            [
                partial(app.tasks["vouchers.update"], request=change),
                partial(app.tasks["redemptions.redeem"], request=redemption_of_it),
            ]
        )
        answer = app.tasks["billing.apply"](request=invoice(subscription=f"sub_{number}"))
        assert redeemed["outcome"] == "accepted"
        assert answer["discountTotal"] == (4_000 if changed.get("outcome") == "refused" else 1)
