"""The database seen from outside of Scrip: rows, locks that get in a worker's way, and planted faults.

The connections are those of the superuser, whose URL follows from that of the worker.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tests.support.administrator import administrators_url
from tests.support.waiting import eventually

COUNT: dict[str, LiteralString] = {
    "vouchers": "SELECT count(*) FROM vouchers",
    "redemptions": "SELECT count(*) FROM redemptions",
    "discounts": "SELECT count(*) FROM discounts",
    "subscriptions": "SELECT count(*) FROM subscriptions",
    "invoice_discounts": "SELECT count(*) FROM invoice_discounts",
    "usage_entries": "SELECT count(*) FROM usage_entries",
}

_connections: list[psycopg.Connection] = []


def rows(url: str, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query, read in a transaction of its own."""
    try:
        return _connection(url).execute(query, values).fetchall()
    except psycopg.OperationalError:
        # A test has restarted the server since.
        close_connections()
        return _connection(url).execute(query, values).fetchall()


@cache
def _connection(url: str) -> psycopg.Connection:
    # Connecting takes long, and some tests query a hundred times a second.
    _connections.append(psycopg.connect(administrators_url(url), autocommit=True))
    return _connections[-1]


def close_connections() -> None:
    """Close the connections of `rows`."""
    while _connections:
        _connections.pop().close()
    _connection.cache_clear()


def row_counts(url: str) -> dict[str, int]:
    """Return the number of rows of every table that has any."""
    counts = {table: rows(url, COUNT[table])[0][0] for table in COUNT}
    return {table: count for table, count in counts.items() if count}


@contextmanager
def holding(url: str, statement: LiteralString, *values: object) -> Iterator[psycopg.Connection]:
    """Run a locking statement in a transaction that stays open, with a rollback at the end."""
    with psycopg.connect(administrators_url(url)) as connection:
        connection.execute(statement, values)
        yield connection
        connection.rollback()


@contextmanager
def holding_voucher(url: str, *, name: str) -> Iterator[psycopg.Connection]:
    """Lock the row of the voucher with that name."""
    with holding(url, "SELECT 1 FROM vouchers WHERE name = %s FOR UPDATE", name) as connection:
        yield connection


@contextmanager
def holding_vouchers(url: str) -> Iterator[psycopg.Connection]:
    """Lock the rows of all vouchers."""
    with holding(url, "SELECT 1 FROM vouchers FOR UPDATE") as connection:
        yield connection


def waiting_for_locks(url: str) -> list[int]:
    """Return the client ports of Scrip's connections that wait for a lock, in the order in which they began to wait."""
    found = rows(
        url,
        "SELECT client_port FROM pg_stat_activity WHERE application_name = 'scrip' AND wait_event_type = 'Lock'"
        " ORDER BY query_start",
    )
    return [port for (port,) in found]


def wait_for_locks(url: str, *, count: int) -> None:
    """Wait until exactly `count` of Scrip's connections wait for a lock."""
    eventually(lambda: len(waiting_for_locks(url)) == count)


def poisoned(url: str, *, customer: str, error: str = "check_violation") -> AbstractContextManager[None]:
    """Make the database refuse the redemptions of a customer, as if Scrip had a bug.

    `error` is Postgres's name of the error.
    """
    harm = sql.SQL("RAISE EXCEPTION 'poison of %', NEW.customer USING ERRCODE = {}").format(error)
    return _harming(url, harm, customer=customer)


def ending_connections(url: str, *, customer: str) -> AbstractContextManager[None]:
    """Make the database end the connection of whoever redeems for a customer."""
    return _harming(url, sql.SQL("PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW"), customer=customer)


@contextmanager
def _harming(url: str, harm: sql.Composable, *, customer: str) -> Iterator[None]:
    trigger = sql.SQL(
        "CREATE TRIGGER poison BEFORE INSERT ON redemptions FOR EACH ROW WHEN (NEW.customer = {})"
        " EXECUTE FUNCTION refuse_poison()"
    ).format(customer)
    function = sql.SQL(
        "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; END $$"
    ).format(harm)
    with psycopg.connect(administrators_url(url), autocommit=True) as connection:
        connection.execute(function)
        connection.execute(trigger)
        try:
            yield
        finally:
            connection.execute("DROP TRIGGER poison ON redemptions")
            connection.execute("DROP FUNCTION refuse_poison")
