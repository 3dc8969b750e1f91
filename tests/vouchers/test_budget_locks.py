"""An update of a budget waits for an invoice that spends it, and sees what was spent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tasks.vouchers.messages import UpdateVoucher
from tasks.vouchers.update import update_voucher
from tasks.wire.errors import InvalidRequest
from tests.invoices.budgets import grant, lines, spent
from tests.support.concurrency import until_somebody_waits
from tests.support.requests import invoice
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


@pytest.mark.parametrize(("amount", "refused"), [(499, ["budget.amount"]), (500, [])])
def test_a_budget_is_not_lowered_below_what_an_invoice_spends_meanwhile(amount, refused):
    """The update runs once: a violated constraint would have it run again."""
    voucher = grant(budget={"amount": 1_000, "currency": "USD"})
    body = {"project": "gigs", "voucher": voucher["id"], "budget": {"amount": amount, "currency": "USD"}}
    request = UpdateVoucher.model_validate(body)

    def update_once() -> list[str]:
        try:
            with transaction() as session:
                update_voucher(session, request)
        except InvalidRequest as error:
            return [each["field"] for each in error.errors]
        return []

    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        apply_all(holder, [Apply.model_validate(invoice(lines=lines(1_000)))])
        waiting = threads.submit(update_once)
        until_somebody_waits(holder)
        holder.commit()
        assert waiting.result() == refused
    assert spent() == {"USD": 500}
