"""The bounds of every wait for the database server: they are the client's own, and stated here and nowhere else.

PostgreSQL's timeouts and those of TCP end nothing if the bytes are acknowledged but go nowhere: if a proxy hangs, a NAT
has forgotten the flow, or the server was stopped.

    connecting, with authentication   10 s, divided among the hosts of the address, but at least 2 s each
    ping, other checks                5 s
    statement, BEGIN, COMMIT, …       the statement timeout + 3 s, so PostgreSQL's own limits are reached first
    a connection of the pool          the same

When the time is over, the connection is cut. The driver's error has no SQLSTATE, as for any lost connection, so the
work is tried again. The effect of a COMMIT that is not answered is unknown: the stored answers decide.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any, TypeVar

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout
from sqlalchemy import Connection as PooledConnection

from worker.database_settings import DatabaseSettings

Answer = TypeVar("Answer")
# Celery's own logger would say nothing in the command line.
logger = logging.getLogger(__name__)

WAITING = "waiting for the database server for %g s; after %g s the connection is cut, and the work is tried again"
CUT = "the database server did not answer for %g s: the connection is cut"
CONNECTING = "connecting to the database server for %g s; each address is given up after %g s, and the work tried again"

CONNECT_SECONDS_MAX = 10
# libpq waits at least this long for each host.
HOST_SECONDS_MIN = 2
PING_SECONDS_MAX = 5
# A statement that PostgreSQL cancels in time is still answered.
ANSWER_SECONDS_MAX: float = 3
# A longer wait is announced in the log, once.
ANNOUNCED_SECONDS: float = 4
# How often the driver returns from waiting, so that a signal's handler can run. The driver's own default.
SIGNAL_SECONDS_MAX = 0.1


def statement_seconds_max(values: DatabaseSettings) -> float:
    """Return how long a process waits for the answer to a statement."""
    return values.statement_timeout_seconds + ANSWER_SECONDS_MAX


def host_seconds_max(*, hosts: int) -> int:
    """Return how long a process that connects waits for each address of each of the hosts."""
    return max(CONNECT_SECONDS_MAX // hosts, HOST_SECONDS_MIN)


class BoundedConnection(Connection[Any]):
    """A connection whose waits end: the log says after 4 s that the process waits, and at the end it is cut."""

    # None for the transactions of `wait_without_limit`.
    seconds_max: float | None = None

    def wait(self, gen: PQGen[Answer], interval: float = SIGNAL_SECONDS_MAX, timeout: float | None = None) -> Answer:
        """Wait for the server. Raises OperationalError, with the connection closed, if it does not answer in time."""
        limit = self.seconds_max
        if limit is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        announced = min(ANNOUNCED_SECONDS, limit)
        try:
            return super().wait(gen, interval, announced)
        except _WaitTimeout:
            logger.warning(WAITING, announced, limit)
        try:
            return super().wait(gen, interval, limit - announced)
        except _WaitTimeout:
            # The rollback of a closed connection sends nothing.
            self.close()
            logger.warning(CUT, limit)
            raise OperationalError(f"the database server did not answer within {limit:g} s") from None

    @contextmanager
    def answering_within(self, seconds: float) -> Iterator[None]:
        """Wait at most that long for each answer in the meantime."""
        usual, self.seconds_max = self.seconds_max, seconds
        try:
            yield
        finally:
            self.seconds_max = usual


def wait_without_limit(connection: PooledConnection) -> None:
    """Wait for the statements of a connection without a limit, and in silence, until it returns to the pool."""
    driver_connection = connection.connection.driver_connection
    # The engines of tests and benchmarks may have others.
    if isinstance(driver_connection, BoundedConnection):
        driver_connection.seconds_max = None


@contextmanager
def announced_connecting(*, host_seconds: float) -> Iterator[None]:
    """Say in the log, once, if the process is still connecting."""
    timer = Timer(ANNOUNCED_SECONDS, logger.warning, [CONNECTING, ANNOUNCED_SECONDS, host_seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
