"""`subscriptions.end` locks the vouchers and the subscription, and looks again after that."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tests.discounts.calls import grant
from tests.invoices.calls import free
from tests.support.concurrency import until_somebody_waits
from tests.support.endings import end_subscription, shown
from tests.support.requests import create_voucher, redemption
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_it_waits_for_a_redemption_of_another_voucher_on_the_subscription():
    """The redemption has locked the subscription. Its discount is ended too, and its place is returned."""
    grant()
    voucher = create_voucher()["id"]
    request = Redeem.model_validate(redemption(voucher=voucher, subscription="sub_1"))
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        redeem_all(holder, [request])
        ending = threads.submit(end_subscription)
        until_somebody_waits(holder)
        holder.commit()
        assert (len(ending.result()["discounts"]), ending.result()["placesReturned"]) == (2, 2)
    assert shown(voucher)["redemptions"] == 0


def test_it_waits_for_the_vouchers_before_the_subscription():
    """The order of every use case. The subscription is not locked yet."""
    grant()
    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        holder.execute(text("SELECT FROM vouchers FOR UPDATE"))
        ending = threads.submit(end_subscription)
        until_somebody_waits(holder)
        assert free("subscriptions", "subscription") == ["sub_1"]
        holder.rollback()
        assert ending.result()["placesReturned"] == 1
