"""Database access: a small connection pool for each process, and the begin and end of every transaction."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from celery.signals import worker_process_init
from psycopg import Error as PsycopgError
from pydantic_core import from_json
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from worker.connection_work import TimedPool, note_rerun
from worker.database_faults import UNIQUE_VIOLATION, sort_fault
from worker.database_sessions import (
    WHOLE_TABLE_PLANS,
    connect,
    connect_parameters,
    local_settings,
    run_outside_transaction,
)
from worker.database_settings import DatabaseSettings
from worker.database_url import read_database_url
from worker.database_waits import PING_SECONDS_MAX, BoundedConnection, statement_seconds_max, wait_without_limit
from worker.fault_points import FaultPoint, reach, watch_statements
from worker.postgres_arrays import ArrayDumper
from worker.settings import database_settings

Result = TypeVar("Result")

# A connection used within this time is not pinged before its next use. If the connection was lost, the task is retried.
FRESH_SECONDS = 1
# Postgres keeps a query plan until the table is analysed again. A plan made for a table with a single voucher would
# scan the thousands that were added since. Planning the statements of a batch again takes 3 ms.
PLANNED_SECONDS_MAX = 5
# The words of a statement that changes rows. A lock is `FOR NO KEY UPDATE`, `FOR UPDATE`, and so on.
CHANGES_ROWS = re.compile(r"\b(?:INSERT INTO|DELETE FROM|COPY|MERGE INTO)\b|(?<!\bFOR )(?<!\bKEY )\bUPDATE\b")
# Two callers that use the same id at the same moment collide once: the second run finds the stored row of the first.
COLLISIONS_MAX = 5

_changes_nothing = ContextVar("changes_nothing", default=False)


# Whether all threads of this process connect as the role that only reads.
_process = SimpleNamespace(reads=False)


@cache
def engine() -> Engine:
    """Return the engine of this process.

    The engine is created on first use, so never at import and never before a fork.
    """
    return new_engine(database_settings().as_reader() if _process.reads else database_settings())


def new_engine(values: DatabaseSettings) -> Engine:
    """Return an engine for the database of these settings."""
    url = read_database_url(values.database_url)
    made = create_engine(
        url,
        poolclass=TimedPool,
        pool_size=1,
        max_overflow=4,
        pool_timeout=statement_seconds_max(values),
        hide_parameters=True,
        json_deserializer=from_json,
        connect_args=connect_parameters(values, url=url),
    )
    event.listen(made, "do_connect", partial(connect, values=values))
    event.listen(made, "connect", _send_arrays_as_text)
    event.listen(made, "connect", _note_use)
    event.listen(made, "connect", _note_plans)
    event.listen(made, "checkin", _note_use)
    event.listen(made, "checkout", partial(_make_ready, made.dialect, values))
    event.listen(made, "handle_error", sort_fault)
    if values.database_pooler == "transaction":
        event.listen(made, "begin", partial(_set_up_transaction, local_settings(values)))
    watch_statements(made)
    return made


def _send_arrays_as_text(connection: Any, _record: object) -> None:
    connection.adapters.register_dumper(list, ArrayDumper)


def _note_use(_connection: object, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _note_plans(_connection: object, record: Any) -> None:
    record.info["planned_at"] = time.monotonic()


def _make_ready(
    dialect: Dialect, values: DatabaseSettings, connection: BoundedConnection, record: Any, _proxy: object
) -> None:
    """Discard old query plans, or ping an idle connection.

    Raises DisconnectionError if the connection was lost; the pool then connects again. A ping before each transaction
    would cost a round trip each time.
    """
    now = time.monotonic()
    # The last transaction may have waited without a limit.
    connection.seconds_max = statement_seconds_max(values)
    has_old_plans = values.database_pooler == "none" and now - record.info["planned_at"] > PLANNED_SECONDS_MAX
    if not has_old_plans and now - record.info["used_at"] <= FRESH_SECONDS:
        return
    try:
        with connection.answering_within(PING_SECONDS_MAX):
            if has_old_plans:
                run_outside_transaction(connection, "DISCARD PLANS")
                _note_plans(connection, record)
            else:
                dialect.do_ping(cast("Any", connection))
    except PsycopgError as error:
        # After the second loss in a row, the pool would raise an error that is not the driver's.
        if record.record_info.pop("was_lost", False):
            raise
        record.record_info["was_lost"] = True
        raise DisconnectionError from error
    record.record_info.pop("was_lost", None)


def _set_up_transaction(settings: str, connection: Connection) -> None:
    connection.exec_driver_sql(settings)


@worker_process_init.connect
def forget_parent_engine(**_: object) -> None:
    """Make a forked child create an engine of its own, instead of sharing its parent's connections."""
    engine.cache_clear()


@contextmanager
def as_reader() -> Iterator[None]:
    """Connect with DATABASE_READER_URL, if it is set, in all threads of this process."""
    if _process.reads or database_settings().database_reader_url is None:
        yield
        return
    _end_connections()
    _process.reads = True
    try:
        yield
    finally:
        _process.reads = False
        _end_connections()


def _end_connections() -> None:
    if engine.cache_info().currsize:
        engine().dispose()
    engine.cache_clear()


@contextmanager
def transaction() -> Iterator[Session]:
    """Yield a session in a transaction: commit it at the end, or roll it back if an exception is raised."""
    if _changes_nothing.get():
        session = Session(engine(), autoflush=False)
        try:
            yield session
        finally:
            # Rolled back. A connection that is lost now does not matter.
            with suppress(OperationalError):
                session.close()
        return
    with Session(engine(), autoflush=False) as session, session.begin():
        yield session
        reach(FaultPoint.BEFORE_COMMIT)
    reach(FaultPoint.AFTER_COMMIT)


def allow_long_statements(connection: Connection) -> None:
    """Let the statements of a transaction take as long as they need. For work on whole tables."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    wait_without_limit(connection)


def read_whole_tables(connection: Connection) -> None:
    """Let the statements of a transaction read whole tables, and take as long as they need."""
    allow_long_statements(connection)
    connection.exec_driver_sql("; ".join(f"SET LOCAL {setting} = on" for setting in WHOLE_TABLE_PLANS))


def driver_message(error: Exception) -> str:
    """Return the first line of a driver's message, without the statement that SQLAlchemy adds.

    The message may contain values of the request. `tasks.wire.dead_letters.reason_without_values` has none.
    """
    message = str(getattr(error, "orig", error)).strip()
    return (message.splitlines() or [type(error).__name__])[0]


class WouldWriteError(Exception):
    """A statement has changed a row, in a transaction that must not."""


@contextmanager
def writing_nothing() -> Iterator[None]:
    """Roll each transaction back, and raise WouldWriteError after a statement that has changed a row.

    Rows may be locked, which a transaction that is read-only on the server could not do.
    """
    event.listen(engine(), "after_cursor_execute", _refuse_changes)
    token = _changes_nothing.set(True)
    try:
        yield
    finally:
        _changes_nothing.reset(token)
        event.remove(engine(), "after_cursor_execute", _refuse_changes)


def _refuse_changes(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
    if cursor.rowcount != 0 and CHANGES_ROWS.search(statement):
        raise WouldWriteError


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
            pass
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != UNIQUE_VIOLATION:
                raise
        note_rerun()
    with transaction() as session:
        return work(session)
