"""Database access: a small connection pool for each process, and the begin and end of every transaction."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

from celery.signals import worker_process_init
from psycopg import Error as PsycopgError
from pydantic_core import from_json
from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, IntegrityError
from sqlalchemy.orm import Session

from worker.database_faults import UNIQUE_VIOLATION, sort_fault
from worker.database_url import read_database_url
from worker.postgres_arrays import ArrayDumper
from worker.settings import DatabaseSettings, database_settings

Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS = 10
SILENCE_SECONDS_MAX = 30
# A connection used within this time is not pinged before its next use. If the connection was lost, the task is retried.
FRESH_SECONDS = 1
# Postgres keeps a query plan until the table is analysed again. A plan made for a table with a single voucher would
# scan the thousands that were added since. Planning the statements of a batch again takes 3 ms.
PLANNED_SECONDS_MAX = 5
# Two callers that use the same id at the same moment collide once: the second run finds the stored row of the first.
COLLISIONS_MAX = 5


@cache
def engine() -> Engine:
    """Return the engine of this process.

    The engine is created on first use, so never at import and never before a fork.
    """
    values = database_settings()
    made = create_engine(
        read_database_url(values.database_url),
        pool_size=1,
        max_overflow=4,
        hide_parameters=True,
        json_deserializer=from_json,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in _server_options(values).items()),
            "application_name": "scrip",
            # If the server disappears without closing the connection, the task is retried instead of waiting for ever.
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "keepalives_idle": SILENCE_SECONDS_MAX,
            "tcp_user_timeout": SILENCE_SECONDS_MAX * 1_000,
        },
    )
    event.listen(made, "connect", _send_arrays_as_text)
    event.listen(made, "connect", _note_use)
    event.listen(made, "connect", _note_plans)
    event.listen(made, "checkin", _note_use)
    event.listen(made, "checkout", partial(_make_ready, made.dialect))
    event.listen(made, "handle_error", sort_fault)
    return made


def _server_options(values: DatabaseSettings) -> dict[str, str]:
    return {
        # Postgres itself cancels a statement that hangs: an exception raised by a signal could interrupt a COMMIT.
        "statement_timeout": f"{values.statement_timeout_seconds}s",
        "lock_timeout": f"{values.lock_timeout_seconds}s",
        "idle_in_transaction_session_timeout": f"{values.statement_timeout_seconds}s",
        # Without this check, a client killed while it waits for a lock holds its other locks until the wait ends.
        "client_connection_check_interval": "1s",
        # An index finds the rows of every task's statements in the required order. Without statistics, Postgres would
        # choose sequential scans and sorts, and keep such plans for foreign keys.
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_mergejoin": "off",
        "enable_hashjoin": "off",
        "TimeZone": "UTC",
    }


def _send_arrays_as_text(connection: Any, _record: object) -> None:
    connection.adapters.register_dumper(list, ArrayDumper)


def _note_use(_connection: object, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _note_plans(_connection: object, record: Any) -> None:
    record.info["planned_at"] = time.monotonic()


def _make_ready(dialect: Dialect, connection: Any, record: Any, _proxy: object) -> None:
    """Discard old query plans, or ping an idle connection.

    Raises DisconnectionError if the connection was lost; the pool then connects again. A ping before each transaction
    would cost a round trip each time.
    """
    now = time.monotonic()
    try:
        if now - record.info["planned_at"] > PLANNED_SECONDS_MAX:
            _forget_plans(connection)
            _note_plans(connection, record)
        elif now - record.info["used_at"] > FRESH_SECONDS:
            dialect.do_ping(connection)
    except PsycopgError as error:
        raise DisconnectionError from error


def _forget_plans(connection: Any) -> None:
    # The task's transaction has not begun, and this statement must not begin it.
    connection.autocommit = True
    connection.execute("DISCARD PLANS")
    connection.autocommit = False


@worker_process_init.connect
def forget_parent_engine(**_: object) -> None:
    """Make a forked child create an engine of its own, instead of sharing its parent's connections."""
    engine.cache_clear()


@contextmanager
def transaction() -> Iterator[Session]:
    """Yield a session in a transaction: commit it at the end, or roll it back if an exception is raised."""
    with Session(engine(), autoflush=False) as session, session.begin():
        yield session


def driver_message(error: Exception) -> str:
    """Return the first line of a driver's message, without the statement that SQLAlchemy adds.

    The message may contain values of the request. `tasks.wire.dead_letters.reason_without_values` has none.
    """
    message = str(getattr(error, "orig", error)).strip()
    return (message.splitlines() or [type(error).__name__])[0]


class ChangedMeanwhileError(Exception):
    """A row changed between its look-up and its lock: the transaction must run again."""


def run_in_transaction(work: Callable[[Session], Result]) -> Result:
    """Run `work` in a transaction and return its result; run it again if another transaction stored the same key.

    The keys are the callers' ids. A unique violation is raised only after the other transaction has committed, so
    the second run finds its answer. `work` raises ChangedMeanwhileError to request another run. There are at most
    five runs. Raises the driver's error if the connection fails, and any error of the last run.
    """
    for _ in range(COLLISIONS_MAX - 1):
        try:
            with transaction() as session:
                return work(session)
        except ChangedMeanwhileError:
            continue
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != UNIQUE_VIOLATION:
                raise
    with transaction() as session:
        return work(session)
