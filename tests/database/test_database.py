"""The connection pool: a lost connection is replaced before the next use, unless the last use was just now."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, OperationalError

from worker import database as db
from worker.database import transaction
from worker.settings import database_settings

# PostgreSQL waits up to 10,000 ms for the end of the backend.
LOSE = "SELECT pg_terminate_backend(%s, 10000)"


def lose_connection(url: str) -> None:
    """Have PostgreSQL close the connection in the pool of this process."""
    with transaction() as session:
        pooled = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with psycopg.connect(url) as other:
        assert other.execute(LOSE, [pooled]).fetchall() == [(True,)]


@pytest.mark.parametrize("asked_after", ["FRESH_SECONDS", "PLANNED_SECONDS_MAX"])
def test_a_connection_that_was_lost_while_nobody_used_it_is_made_again(
    database: dict[str, str], monkeypatch: pytest.MonkeyPatch, asked_after: str
):
    """The next transaction succeeds."""
    monkeypatch.setattr(db, asked_after, 0)
    lose_connection(database["DATABASE_URL"])
    with transaction() as session:
        assert session.execute(text("SELECT 2")).scalar_one() == 2


def test_postgres_ends_what_hangs_after_the_operators_seconds(
    database: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """A statement, a wait for a lock, an idle transaction and the statement of a lost client have limits."""
    assert database
    monkeypatch.setenv("SCRIP_STATEMENT_TIMEOUT_SECONDS", "7")
    monkeypatch.setenv("SCRIP_LOCK_TIMEOUT_SECONDS", "3")
    monkeypatch.setattr(db, "database_settings", database_settings.__wrapped__)
    limits = {
        "statement_timeout": "7s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "7s",
        "client_connection_check_interval": "1s",
    }
    made = db.engine.__wrapped__()
    try:
        with made.connect() as connection:
            assert {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in limits} == limits
    finally:
        made.dispose()


def test_a_drivers_error_says_nothing_of_what_was_sent(database: dict[str, str]):
    """Values in an error would end up in logs."""
    assert database
    with pytest.raises(DataError) as failed, transaction() as session:
        session.execute(text("SELECT 1 / 0, :sent"), {"sent": "s3cr3t-value"})
    assert "division by zero" in str(failed.value)
    assert "s3cr3t-value" not in str(failed.value)


def test_one_that_was_used_just_now_is_not_asked_whether_it_lives(
    database: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """The transaction that meets the loss fails, and the task is retried. The next transaction has a new connection."""
    monkeypatch.setattr(db, "FRESH_SECONDS", 60)
    lose_connection(database["DATABASE_URL"])
    with pytest.raises(OperationalError), transaction() as session:
        session.execute(text("SELECT 1"))
    with transaction() as session:
        assert session.execute(text("SELECT 2")).scalar_one() == 2
