"""Sessions on the database server: how a process connects, and the settings that its statements need.

A process has sessions of its own, and sets them up as it connects.
"""

from typing import Any

from sqlalchemy import URL

from worker.database_url import hosts
from worker.database_waits import (
    BoundedConnection,
    announced_connecting,
    host_seconds_max,
    statement_seconds_max,
)
from worker.settings import DatabaseSettings

KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10


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
    options = " ".join(f"-c {name}={value}" for name, value in _server_settings(values).items())
    return {**parameters, "options": options}


def connect(
    _dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any], *, values: DatabaseSettings
) -> BoundedConnection:
    """Connect, and return a connection whose waits have a bound. Raises the driver's OperationalError."""
    with announced_connecting(host_seconds=parameters["connect_timeout"]):
        connection = BoundedConnection.connect(*arguments, **parameters)
    connection.seconds_max = statement_seconds_max(values)
    return connection


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
        # An index finds the rows of every task's statements in the required order. Without statistics, Postgres would
        # choose sequential scans and sorts, and keep such plans for foreign keys.
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_mergejoin": "off",
        "enable_hashjoin": "off",
        "TimeZone": "UTC",
    }
