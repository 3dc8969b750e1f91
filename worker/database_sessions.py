"""Sessions on the database server: how a process connects, and the settings that its statements need.

A process has sessions of its own, and sets them up as it connects. Behind a pooler that assigns a server connection to
each transaction, the settings go with each transaction instead, and nothing may be left behind for other clients.
"""

from typing import Any

from celery.utils.log import get_logger
from psycopg import OperationalError
from sqlalchemy import URL

from worker.database_settings import DatabaseSettings
from worker.database_url import hosts
from worker.database_waits import (
    PING_SECONDS_MAX,
    BoundedConnection,
    announced_connecting,
    host_seconds_max,
    statement_seconds_max,
)

logger = get_logger(__name__)

KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
# PgBouncer refuses settings at the start of a connection with these words, unless its own settings say to ignore them.
REFUSED = "unsupported startup parameter"
NAME_THE_SETTING = "behind PgBouncer, set SCRIP_DATABASE_POOLER=transaction"
# An index finds the rows of every task's statements in the required order. Without statistics, Postgres would choose
# sequential scans and sorts, and keep such plans for foreign keys. So a task's connection has these off.
WHOLE_TABLE_PLANS = ("enable_seqscan", "enable_bitmapscan", "enable_mergejoin", "enable_hashjoin")


def connect_parameters(values: DatabaseSettings, *, url: URL) -> dict[str, Any]:
    """Return the parameters of psycopg's `connect` that are not part of the address."""
    parameters = {
        "application_name": "scrip",
        "connect_timeout": host_seconds_max(hosts=len(hosts(url))),
        # The statements of the audit and of migrations have no other bound than these.
        "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
        "keepalives_interval": KEEPALIVE_INTERVAL_SECONDS,
        "tcp_user_timeout": KEEPALIVE_IDLE_SECONDS * 1_000,
    }
    if values.database_pooler == "transaction":
        # The next transaction may have another server connection, which does not know the prepared statement.
        return {**parameters, "prepare_threshold": None}
    options = " ".join(f"-c {name}={value}" for name, value in _server_settings(values).items())
    return {**parameters, "options": options}


def connect(
    _dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any], *, values: DatabaseSettings
) -> BoundedConnection:
    """Connect, and return a connection whose waits have a bound. Raises the driver's OperationalError."""
    with announced_connecting(host_seconds=parameters["connect_timeout"]):
        try:
            connection = BoundedConnection.connect(*arguments, **parameters)
        except OperationalError as error:
            if REFUSED in str(error):
                raise _pooler_found(str(error).strip()) from None
            raise
    connection.seconds_max = statement_seconds_max(values)
    if values.database_pooler == "none":
        _require_settings(connection)
    return connection


def local_settings(values: DatabaseSettings) -> str:
    """Return the statements that set up a transaction. They take no snapshot, so it can still become read-only."""
    return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in _server_settings(values).items())


def run_outside_transaction(connection: BoundedConnection, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement before the task's transaction has begun, without beginning it, and return the rows."""
    connection.autocommit = True
    cursor = connection.execute(statement.encode())
    connection.autocommit = False
    return cursor.fetchall() if cursor.description else []


def _server_settings(values: DatabaseSettings) -> dict[str, str]:
    return {
        # Postgres itself cancels a statement that hangs: an exception raised by a signal could interrupt a COMMIT.
        "statement_timeout": f"{values.statement_timeout_seconds}s",
        "lock_timeout": f"{values.lock_timeout_seconds}s",
        "idle_in_transaction_session_timeout": f"{values.statement_timeout_seconds}s",
        # Without this check, a client killed while it waits for a lock holds its other locks until the wait ends.
        "client_connection_check_interval": "1s",
        **dict.fromkeys(WHOLE_TABLE_PLANS, "off"),
        "TimeZone": "UTC",
    }


def _require_settings(connection: BoundedConnection) -> None:
    """Refuse a server without our settings: a pooler that ignores them would also mix up prepared statements."""
    with connection.answering_within(PING_SECONDS_MAX):
        shown = run_outside_transaction(connection, "SHOW enable_seqscan")
    if shown != [("off",)]:
        connection.close()
        raise _pooler_found("the server ignores the settings of the connection")


def _pooler_found(problem: str) -> OperationalError:
    # A task's log shows no message of the driver.
    logger.error("the database cannot be used: %s", NAME_THE_SETTING)
    return OperationalError(f"{problem}; {NAME_THE_SETTING}")
