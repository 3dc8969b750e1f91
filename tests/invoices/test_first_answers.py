"""An invoice that was discounted during the wait for its discount gets the first answer, without another attempt."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tests.invoices.calls import grant
from tests.support.concurrency import until_somebody_waits
from tests.support.requests import invoice
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_a_copy_that_waited_for_the_lock_finds_the_first_answer():
    """A unique violation would have the batch run again, with all its other invoices."""
    grant()
    copies = [Apply.model_validate(invoice(invoice="inv_1", subscription="sub_1"))]

    def apply_once() -> list[dict[str, Any]]:
        with transaction() as session:
            return apply_all(session, copies)

    with ThreadPoolExecutor(1) as threads, transaction() as holder:
        first = apply_all(holder, copies)
        waiting = threads.submit(apply_once)
        until_somebody_waits(holder)
        holder.commit()
        assert waiting.result() == first
