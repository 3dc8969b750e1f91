"""The end of a worker: a stop takes less than ten seconds, since a container is killed soon after it is asked to stop.

The messages that no child has begun are put back first. The children then have some seconds to end their batches. A
child that still waits, for example for a lock, is killed: its transaction is rolled back and its messages are put back.
"""

import os
import signal
from contextlib import suppress
from threading import Timer
from typing import Any

import billiard.pool
from celery.signals import worker_process_init
from celery.utils.log import get_logger

logger = get_logger(__name__)

STOP_SECONDS = 5
# A child that has ended its work waits this long for the worker to read the outcome. If the worker does not, the
# message is delivered again, and gets the answer that was stored.
READ_SECONDS = 1


def kill_children_later(pool: Any) -> None:
    """Kill the children of a worker that is stopping, if they are still alive after some seconds."""
    timer = Timer(STOP_SECONDS, _kill_all, [pool])
    timer.daemon = True
    timer.start()


def _kill_all(pool: Any) -> None:
    children = [child.pid for child in getattr(getattr(pool, "_pool", None), "_pool", ()) if child.exitcode is None]
    if children:
        logger.warning(
            "killing %d children that did not end in %d s: their messages go back", len(children), STOP_SECONDS
        )
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@worker_process_init.connect
def bound_waiting_for_reader(**_: object) -> None:
    """Let a child that ends wait only shortly for the worker. billiard waits 30 seconds."""
    interval = billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(READ_SECONDS / interval)
