"""Messages that workers hold, because another transaction has locked their voucher."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from benchmarks.broker import POLL_SECONDS, UNACKNOWLEDGED, Broker
from benchmarks.sampling import MeasureFailed
from scrip.stack.process import StackProcess
from worker.database import transaction

# Workers fetch a thousand messages in milliseconds. The lock timeout of their statements is 20 s.
HELD_SECONDS_MAX = 10


@contextmanager
def locked(voucher: str) -> Iterator[None]:
    """Lock a voucher's row while the context lasts."""
    with transaction() as session:
        session.execute(text("SELECT FROM vouchers WHERE id = CAST(:id AS uuid) FOR UPDATE"), {"id": voucher})
        yield


@contextmanager
def suspended(worker: StackProcess) -> Iterator[None]:
    """Stop the main process of a worker while the context lasts, so that other workers fetch all messages."""
    if worker.pid is None:
        raise MeasureFailed(f"{worker.name} was not started")
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker.pid, signal.SIGCONT)


def wait_until_held(broker: Broker, how_many: int) -> None:
    """Wait until workers hold so many messages. Raises MeasureFailed if that takes too long."""
    deadline = time.monotonic() + HELD_SECONDS_MAX
    while (held := broker.redis.hlen(UNACKNOWLEDGED)) < how_many:
        if time.monotonic() > deadline:
            raise MeasureFailed(f"the workers held {held} messages, of {how_many}")
        time.sleep(POLL_SECONDS)
