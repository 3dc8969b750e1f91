"""The database: one small pool for each process, and the one place that begins and ends a transaction."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

from celery.signals import worker_process_init
from psycopg import Error as PsycopgError
from pydantic_core import from_json
from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, IntegrityError
from sqlalchemy.orm import Session

from worker.postgres_arrays import ArrayDumper
from worker.settings import database_settings

Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS = 10
SILENCE_SECONDS_MAX = 30
# A connection that was used so lately is not asked whether it lives. If it does not, the task is tried again.
FRESH_SECONDS = 1
# Postgres keeps a plan until it has analysed the table again: one for a single voucher would go through all the
# thousands that came since. Planning a batch's statements anew takes 3 ms.
PLANNED_SECONDS_MAX = 5

# SQLSTATE of a unique violation.
UNIQUE_VIOLATION = "23505"
# Two callers that use one id at the same moment collide once: the second run finds what the first stored.
COLLISIONS_MAX = 5


@cache
def engine() -> Engine:
    """This function will make this process's engine at its first use, so never before a fork and never at import."""
    values = database_settings()
    options = {
        # Postgres ends what hangs: an exception that a signal raises could land inside COMMIT.
        "statement_timeout": f"{values.statement_timeout_seconds}s",
        "lock_timeout": f"{values.lock_timeout_seconds}s",
        "idle_in_transaction_session_timeout": f"{values.statement_timeout_seconds}s",
        # A client that was killed while it waited for a lock would hold its other locks until the wait is over.
        "client_connection_check_interval": "1s",
        # Every statement of a task finds its rows by an index, in its order. Left alone, Postgres reads whole tables
        # and sorts all that is due while their statistics are unknown, and keeps such plans for foreign keys.
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_mergejoin": "off",
        "enable_hashjoin": "off",
        "TimeZone": "UTC",
    }
    made = create_engine(
        make_url(values.database_url).set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=4,
        hide_parameters=True,
        json_deserializer=from_json,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
            "application_name": "scrip",
            # A server that vanished without a word: the task is retried instead of waiting for ever.
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
    return made


def _send_arrays_as_text(connection: Any, _record: object) -> None:
    connection.adapters.register_dumper(list, ArrayDumper)


def _note_use(_connection: object, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _note_plans(_connection: object, record: Any) -> None:
    record.info["planned_at"] = time.monotonic()


def _make_ready(dialect: Dialect, connection: Any, record: Any, _proxy: object) -> None:
    """This listener will have plans made anew now and then, and the pool connect again where a connection was lost.

    One that was used just now is taken as it is: asking before each transaction is one more turn for each.
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
    # Outside any transaction: that of the task is still to come.
    connection.autocommit = True
    connection.execute("DISCARD PLANS")
    connection.autocommit = False


@worker_process_init.connect
def forget_parent_engine(**_: object) -> None:
    """This function will make sure that a forked child opens connections of its own."""
    engine.cache_clear()


@contextmanager
def transaction() -> Iterator[Session]:
    """This context will commit what was done in it, or roll all of it back when it is left by an exception."""
    with Session(engine(), autoflush=False) as session, session.begin():
        yield session


def driver_message(error: Exception) -> str:
    """Return the first line of a driver's message, without the statement that SQLAlchemy adds.

    It may show values that were sent. For text that must not, use `tasks.wire.dead_letters.reason_without_values`.
    """
    message = str(getattr(error, "orig", error)).strip()
    return (message.splitlines() or [type(error).__name__])[0]


class ChangedMeanwhileError(Exception):
    """What was looked up before the locks is no longer so: the transaction has to be run again."""


def run_in_transaction(work: Callable[[Session], Result]) -> Result:
    """This function will run `work` in one transaction, and again when somebody else just stored one of its keys.

    The keys are the callers' ids. Whoever loses such a race waited for the winner's COMMIT, so that the
    second run finds the winner's answer. `work` asks for another run by raising ChangedMeanwhileError.
    Errors of the connection, and those of the last run, are the caller's to retry.
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
