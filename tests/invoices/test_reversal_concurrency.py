"""Reversals take their locks in the order of all others: a lock held from outside lines the callers up."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.discounts.test_ending_concurrency import reversal
from tests.support.concurrency import DEADLINE_SECONDS
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import GIVING_BACK, MARCH
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def until_waiting(session: Session, count: int) -> None:
    """This function will return as soon as so many transactions wait for a lock."""
    waiting = text("SELECT count(DISTINCT virtualtransaction) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while session.execute(waiting).scalar_one() < count:
        assert time.monotonic() < deadline, f"fewer than {count} wait"


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_a_reversal_and_an_invoice_never_wait_for_each_other(reason):
    """A discount that is over, and not swept yet, has a lower id than the one that gets its cycle back.

    The reversal is stopped where it takes the budget; the invoice comes meanwhile.
    """
    old = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})["id"]
    redeem(voucher=old, subscription="sub_1", startsOn="2020-01-01")
    new = create_voucher(budget={"amount": 10_000, "currency": "USD"})["id"]
    redeem(voucher=new, subscription="sub_1", startsOn="2027-01-01", currency="USD")
    apply(period={"start": "2020-01-01", "end": "2020-02-01"})
    apply(invoice="inv_1")
    with ThreadPoolExecutor(2) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM budgets FOR UPDATE"))
        reversing = threads.submit(task_named("billing.reverse"), request=reversal(reason=reason))
        until_waiting(holder, 1)
        applying = threads.submit(task_named("billing.apply"), request=invoice(period=MARCH))
        until_waiting(holder, 2)
        holder.rollback()
        assert (reversing.result()["outcome"], applying.result()["discountTotal"]) == ("reversed", 800)
