"""An update reads the voucher again after the wait for its lock, and looks up the code that it has then."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.vouchers.messages import UpdateVoucher
from tasks.vouchers.update import update_voucher
from tests.support.concurrency import until_somebody_waits
from tests.support.requests import create_voucher
from tests.vouchers.calls import retrieve, update
from worker.database import ChangedMeanwhileError, transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_a_code_that_the_voucher_gets_during_the_wait_is_looked_up():
    """The update names no code, so it needs the locks of whoever has the voucher's own code."""
    voucher = create_voucher(code="SUMMER")["id"]
    body = {"project": "gigs", "voucher": voucher}

    def update_once() -> None:
        with transaction() as session:
            update_voucher(session, UpdateVoucher.model_validate({**body, "name": "New"}))

    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        update_voucher(holder, UpdateVoucher.model_validate({**body, "code": "WINTER"}))
        waiting = threads.submit(update_once)
        until_somebody_waits(holder)
        holder.commit()
        with pytest.raises(ChangedMeanwhileError):
            waiting.result()
    assert (update(voucher, name="New")["code"], retrieve(voucher)["name"]) == ("WINTER", "New")
