"""The locks of a reversal. A lock of the test makes the transactions wait."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.wire.fields import uuid_of
from tests.invoices.calls import free, reversal
from tests.support.concurrency import DEADLINE_SECONDS, until_somebody_waits
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import GIVING_BACK, MARCH
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def until_waiting(session: Session, count: int) -> None:
    """Return as soon as `count` transactions wait for a lock."""
    waiting = text("SELECT count(DISTINCT virtualtransaction) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while session.execute(waiting).scalar_one() < count:
        assert time.monotonic() < deadline, f"fewer than {count} wait"


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_a_reversal_and_an_invoice_never_wait_for_each_other(kind):
    """An expired discount that was not swept has a lower id than the discount that gets its cycle back.

    The reversal waits for the budget when the invoice comes.
    """
    old = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})["id"]
    redeem(voucher=old, subscription="sub_1", startsOn="2020-01-01")
    new = create_voucher(budget={"amount": 10_000, "currency": "USD"})["id"]
    redeem(voucher=new, subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(period={"start": "2020-01-01", "end": "2020-02-01"})
    apply(invoice="inv_1")
    with ThreadPoolExecutor(2) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM budgets FOR UPDATE"))
        reversing = threads.submit(task_named("billing.reverse"), request=reversal(kind=kind))
        until_waiting(holder, 1)
        applying = threads.submit(task_named("billing.apply"), request=invoice(period=MARCH))
        until_waiting(holder, 2)
        holder.rollback()
        assert (reversing.result()["outcome"], applying.result()["discountTotal"]) == ("reversed", 800)


def test_a_reversal_locks_budgets_in_the_same_order_as_an_invoice():
    """Vouchers were redeemed in descending order. A transaction that waits for the first budget has locked no other."""
    budget = {"amount": 10_000, "currency": "USD"}
    vouchers = sorted(create_voucher(budget=budget)["id"] for _ in range(3))
    for voucher in vouchers[::-1]:
        redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(invoice="inv_1")
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        one = {"id": uuid_of(vouchers[0])}
        holder.execute(text("SELECT FROM budgets WHERE voucher_id = :id FOR UPDATE"), one)
        reversing = threads.submit(task_named("billing.reverse"), request=reversal())
        until_somebody_waits(holder)
        assert sorted(free("budgets", "voucher_id")) == [uuid_of(each) for each in vouchers[1:]]
        holder.rollback()
        assert reversing.result()["outcome"] == "reversed"
