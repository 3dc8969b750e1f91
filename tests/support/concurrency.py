"""Calls that start at the same moment, and waiting until a transaction waits for a lock."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.celery import app

DEADLINE_SECONDS = 30


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all calls at the same moment and return their results in order."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def send(task: str, requests: Sequence[dict]) -> list[Callable[[], Any]]:
    """Return a call of the task for each request."""
    return [partial(app.tasks[task], request=request) for request in requests]


def until_somebody_waits(session: Session) -> None:
    """Wait until a transaction waits for a lock. Fail after 30 s."""
    until_waiting(session, 1)


def until_waiting(session: Session, count: int) -> None:
    """Wait until so many transactions wait for a lock. Fail after 30 s."""
    # pg_stat_activity would not do: within a transaction its contents do not change after the first read.
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while session.execute(waiting).scalar_one() < count:
        assert time.monotonic() < deadline, f"less than {count} wait"
