"""The proxy cuts a connection before or after the server has seen the COMMIT, or lets both sides hear nothing."""

import socket
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.end_to_end.database import rows
from tests.support.proxy import Cut, Proxy
from tests.support.waiting import eventually

SILENCE_SECONDS = 0.2


@pytest.fixture
def proxied(database: dict[str, str]) -> Iterator[tuple[Proxy, str]]:
    """Yield a proxy in front of Postgres, and the URL that leads through it."""
    with Proxy(database["DATABASE_URL"]) as proxy:
        yield proxy, proxy.url


def is_stored(database: dict[str, str]) -> bool:
    """Return whether the subscription of these tests is committed."""
    return bool(rows(database["DATABASE_URL"], "SELECT 1 FROM subscriptions WHERE subscription = 'sub_cut'"))


def insert(connection: psycopg.Connection) -> None:
    """Insert a subscription, without a COMMIT."""
    connection.execute("INSERT INTO subscriptions (project, subscription) VALUES ('gigs', 'sub_cut')")


@pytest.mark.parametrize(("cut", "is_committed"), [(Cut.RESET_BEFORE, False), (Cut.RESET_AFTER, True)])
def test_a_reset_at_commit_is_an_error_whether_or_not_it_was_committed(database, proxied, cut, is_committed):
    """The client cannot tell the one from the other."""
    proxy, url = proxied
    proxy.cut_at(b"COMMIT", cut)
    with closing(psycopg.connect(url)) as connection:
        insert(connection)
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert proxy.cuts_made == 1
    eventually(lambda: not proxy.links)
    assert is_stored(database) is is_committed


@pytest.mark.parametrize(("cut", "is_committed"), [(Cut.SILENCE_BEFORE, False), (Cut.SILENCE_AFTER, True)])
def test_a_silent_connection_says_nothing_whether_or_not_it_was_committed(database, proxied, cut, is_committed):
    """The client would wait for ever."""
    proxy, url = proxied
    proxy.cut_at(b"COMMIT", cut)
    with closing(psycopg.connect(url)) as connection:
        insert(connection)
        connection.pgconn.send_query(b"COMMIT")
        if is_committed:
            eventually(lambda: is_stored(database))
        with socket.socket(fileno=socket.dup(connection.fileno())) as wire:
            wire.settimeout(SILENCE_SECONDS)
            with pytest.raises(TimeoutError):
                wire.recv(1)
    assert is_stored(database) is is_committed


def test_what_is_held_back_arrives_later(database, proxied):
    """A blink of the network loses nothing."""
    proxy, url = proxied
    with closing(psycopg.connect(url)) as connection:
        proxy.hold_back()
        connection.pgconn.send_query(b"SELECT 1")
        with socket.socket(fileno=socket.dup(connection.fileno())) as wire:
            wire.settimeout(SILENCE_SECONDS)
            with pytest.raises(TimeoutError):
                wire.recv(1)
            proxy.let_through()
            wire.settimeout(None)
            assert wire.recv(1)
    assert not is_stored(database)


def test_all_connections_can_be_reset(proxied):
    """A new connection works again."""
    proxy, url = proxied
    with closing(psycopg.connect(url)) as connection:
        proxy.reset()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with closing(psycopg.connect(url)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
