"""What reversals, endings and previews hold and see while others are at work: a lock from outside lines them up."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from models.discounts.locks import lock_discounts_by_id, lock_with_running
from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tasks.wire.fields import uuid_of
from tests.discounts.test_ending_concurrency import grant, reversal
from tests.invoices.test_reversal_concurrency import until_waiting
from tests.support.endings import end, end_subscription, listed, shown
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import FEBRUARY, MARCH, ONCE, reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")

PLAN = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8000}]}
LOOKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "preview": (
        task_named("billing.preview"),
        {"subscription": "sub_1", "plan": PLAN, "from": "2027-03-01", "periods": 2},
    ),
    "forecast": (task_named("vouchers.forecast"), {"from": "2027-03-01", "months": 3}),
}


def free(table: str, column: str) -> list[Any]:
    """This function will return the rows that nobody else has locked."""
    query = f"SELECT {column} FROM {table} FOR UPDATE SKIP LOCKED"  # noqa: S608 - our tables
    with transaction() as other:
        return list(other.execute(text(query)).scalars())


def test_a_voucher_that_is_redeemed_while_an_ending_waits_gives_its_place_back_too():
    """The ending waits for one voucher; another one is redeemed on the subscription, and ended with the rest."""
    first = grant()
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM vouchers FOR UPDATE"))
        ending = threads.submit(end_subscription)
        until_waiting(holder, 1)
        second = grant()
        holder.rollback()
        assert (len(ending.result()["discounts"]), ending.result()["placesReturned"]) == (2, 2)
    assert [shown(each["voucher"])["redemptions"] for each in (first, second)] == [0, 0]


def test_an_ending_waits_for_its_discounts_subscription():
    """Whoever completes a discount holds that; the discount itself is not locked before."""
    discount = grant()["discount"]
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM subscriptions FOR UPDATE"))
        ending = threads.submit(end, discount)
        until_waiting(holder, 1)
        assert free("discounts", "id") == [uuid_of(discount)]
        holder.rollback()
        assert ending.result()["status"] == "ended"


@pytest.mark.parametrize("with_running", [False, True])
def test_discounts_are_locked_by_ascending_ids(with_running):
    """Whoever waits for the second of three has the first, and not the third."""
    first, second, third = (uuid_of(grant()["discount"]) for _ in range(3))
    keys = [("gigs", each) for each in (third, second, first)]

    def lock() -> list[Any]:
        with transaction() as session:
            if with_running:
                rows = lock_with_running(session, keys=keys[:1], subscription=("gigs", "sub_1"))
            else:
                rows = lock_discounts_by_id(session, keys=keys)
            return [each.id for each in rows]

    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM discounts WHERE id = :id FOR UPDATE"), {"id": second})
        locking = threads.submit(lock)
        until_waiting(holder, 1)
        assert free("discounts", "id") == [third]
        holder.rollback()
        assert locking.result() == [first, second, third]


def test_budgets_are_refilled_in_the_order_in_which_they_are_taken_of():
    """Redeemed in another order than that of the vouchers: who waits for the first has none of the others."""
    budget = {"amount": 10_000, "currency": "USD"}
    vouchers = sorted(create_voucher(budget=budget)["id"] for _ in range(3))
    for voucher in vouchers[::-1]:
        redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(invoice="inv_1")
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        one = {"id": uuid_of(vouchers[0])}
        holder.execute(text("SELECT FROM budgets WHERE voucher_id = :id FOR UPDATE"), one)
        reversing = threads.submit(task_named("billing.reverse"), request=reversal())
        until_waiting(holder, 1)
        assert sorted(free("budgets", "voucher_id")) == [uuid_of(each) for each in vouchers[1:]]
        holder.rollback()
        assert reversing.result()["outcome"] == "reversed"


def test_those_that_run_keep_their_places_when_their_invoice_is_voided():
    """19 run on with the voided invoice and one was redeemed since: the `once` of the invoice finds no place."""
    once = grant(**ONCE)["discount"]
    running = [grant()["discount"] for _ in range(19)]
    lines = [{"id": "base", "amount": 8000, "product": "prod_a"}]
    assert len(apply(invoice="inv_1", lines=lines)["discounts"]) == 20
    running.append(grant()["discount"])
    reverse("inv_1")
    assert listed(subscription="sub_1", status=["running"], limit=50) == running[::-1]
    assert listed(subscription="sub_1", status=["completed"]) == [once]


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_ahead_sees_one_state_of_everything(name):
    """An invoice comes between reading the discounts and reading their budgets."""
    grant(budget={"amount": 1_700, "currency": "USD"})
    apply(invoice="inv_1", period=FEBRUARY)
    task, fields = LOOKS[name]
    body = {"project": "gigs", **fields}
    before = task(request=body)
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("LOCK TABLE budgets IN ACCESS EXCLUSIVE MODE"))
        looking = threads.submit(task, request=body)
        until_waiting(holder, 1)
        answers = apply_all(holder, [Apply.model_validate(invoice(period=MARCH))])
        assert [each["discountTotal"] for each in answers] == [800]
        holder.commit()
        assert looking.result() == before
    assert task(request=body) != before
    assert task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"][0]["cycles"] == 2
