"""What this process has spent on its connections to the database: waits for the pool, and transactions run again."""

import time
from typing import NamedTuple

from sqlalchemy.pool import PoolProxiedConnection, QueuePool


class ConnectionWork(NamedTuple):
    """The seconds in which a process waited for connections, and how many transactions it ran again."""

    wait_seconds: float = 0.0
    reruns: int = 0


class _Spent:
    wait_seconds = 0.0
    reruns = 0


class TimedPool(QueuePool):
    """A pool that notes how long each use waits for its connection, be it for a free one, a new one or a ping."""

    def connect(self) -> PoolProxiedConnection:
        """Return a connection of the pool."""
        started = time.monotonic()
        try:
            return super().connect()
        finally:
            _Spent.wait_seconds += time.monotonic() - started


def note_rerun() -> None:
    """Note that a transaction runs again."""
    _Spent.reruns += 1


def take_spent() -> ConnectionWork:
    """Return what was spent since the last call."""
    spent = ConnectionWork(_Spent.wait_seconds, _Spent.reruns)
    _Spent.wait_seconds, _Spent.reruns = 0.0, 0
    return spent
