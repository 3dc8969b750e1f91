"""A worker whose only child is busy, so that the messages sent meanwhile are gathered into one batch."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, waiting_for_locks
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption

REDEEM = "redemptions.redeem"
# Messages that a worker may hold for each child: more than any of these tests sends.
PREFETCH_MULTIPLIER = 500


@contextmanager
def busy_child(worker: Worker, client: Client) -> Iterator[str]:
    """Keep the worker's child busy with a redemption of the voucher `HELD` that waits for a lock.

    Yields the id of the redemption's task. At the end, the lock is released.
    """
    url = worker.environment["DATABASE_URL"]
    created_voucher(client, name="Held", code="HELD")
    with holding_voucher(url, name="Held"):
        busy = client.send(REDEEM, redemption(code="HELD"))
        worker.eventually(lambda: waiting_for_locks(url))
        yield busy


def wait_until_held(worker: Worker, client: Client, *, count: int) -> None:
    """Wait until workers hold exactly `count` messages, and the queue is empty."""
    broker = client.broker
    worker.eventually(lambda: not broker.waiting("redemptions") and broker.unacknowledged() == count)
