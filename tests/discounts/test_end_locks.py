"""The locks of ending a discount or a subscription. A lock of the test makes the transactions wait."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from models.discounts.locks import lock_discounts_and_running, lock_discounts_by_id
from tasks.wire.fields import uuid_of
from tests.invoices.calls import free, grant
from tests.support.concurrency import until_somebody_waits
from tests.support.endings import end, end_subscription, shown
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_a_voucher_redeemed_while_the_end_waits_for_locks_gets_its_place_back_too():
    """The request waits for a voucher. Another voucher is redeemed meanwhile, and that discount is ended too."""
    first = grant()
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM vouchers FOR UPDATE"))
        ending = threads.submit(end_subscription)
        until_somebody_waits(holder)
        second = grant()
        holder.rollback()
        assert (len(ending.result()["discounts"]), ending.result()["placesReturned"]) == (2, 2)
    assert [shown(each["voucher"])["redemptions"] for each in (first, second)] == [0, 0]


def test_ending_a_discount_waits_for_the_lock_of_its_subscription():
    """Redemptions and reversals complete discounts under that lock. So the discount itself is not locked yet."""
    discount = grant()["discount"]
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM subscriptions FOR UPDATE"))
        ending = threads.submit(end, discount)
        until_somebody_waits(holder)
        assert free("discounts", "id") == [uuid_of(discount)]
        holder.rollback()
        assert ending.result()["status"] == "ended"


@pytest.mark.parametrize("with_running", [False, True])
def test_discounts_are_locked_by_ascending_ids(with_running):
    """A transaction that waits for the second of three has locked the first, and not the third."""
    first, second, third = (uuid_of(grant()["discount"]) for _ in range(3))
    keys = [("gigs", each) for each in (third, second, first)]

    def lock() -> list[Any]:
        with transaction() as session:
            if with_running:
                rows = lock_discounts_and_running(session, keys=keys[:1], subscriptions=[("gigs", "sub_1")])
            else:
                rows = lock_discounts_by_id(session, keys=keys)
            return [each.id for each in rows]

    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM discounts WHERE id = :id FOR UPDATE"), {"id": second})
        locking = threads.submit(lock)
        until_somebody_waits(holder)
        assert free("discounts", "id") == [third]
        holder.rollback()
        assert locking.result() == [first, second, third]
