"""The SQLSTATE decides whether a fault passes and the message is retried, or is the message's own."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tasks.wire.dead_letters import reason_without_values
from tasks.wire.errors import INFRASTRUCTURE_FAULTS
from tests.support.requests import create_voucher
from worker.database import transaction

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END $$"
# PostgreSQL 18, appendix A.
PASSING = {
    "connection_failure": "08006",
    "serialization_failure": "40001",
    "deadlock_detected": "40P01",
    "disk_full": "53100",
    "out_of_memory": "53200",
    "too_many_connections": "53300",
    "lock_not_available": "55P03",
    "query_canceled": "57014",
    "admin_shutdown": "57P01",
    "cannot_connect_now": "57P03",
    "io_error": "58030",
    "read_only_sql_transaction": "25006",
    "idle_in_transaction_session_timeout": "25P03",
    "invalid_sql_statement_name": "26000",
    "duplicate_prepared_statement": "42P05",
}
# The faults of a connection that is of no more use.
LOSING = {
    "connection_failure": "08006",
    "protocol_violation": "08P01",
    "read_only_sql_transaction": "25006",
    "idle_in_transaction_session_timeout": "25P03",
    "invalid_sql_statement_name": "26000",
    "duplicate_prepared_statement": "42P05",
    "admin_shutdown": "57P01",
    "crash_shutdown": "57P02",
    "cannot_connect_now": "57P03",
}
LASTING = {
    "program_limit_exceeded": "54000",
    "statement_too_complex": "54001",
    "too_many_columns": "54011",
    "object_in_use": "55006",
    "internal_error": "XX000",
    "index_corrupted": "XX002",
    "snapshot_too_old": "72000",
    "numeric_value_out_of_range": "22003",
    "check_violation": "23514",
    "undefined_table": "42P01",
}


def server_process() -> int:
    """Return the server process of the pool's connection."""
    with transaction() as session:
        return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def raised(state: str) -> DBAPIError:
    """Return the error of a statement that fails with the SQLSTATE."""
    with pytest.raises(DBAPIError) as failed, transaction() as session:
        session.execute(text(RAISE.format(state=state)))
    return failed.value


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("state", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_is_retried(state: str):
    """The next attempt can succeed."""
    assert isinstance(raised(state), INFRASTRUCTURE_FAULTS)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("state", LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts_is_the_messages_own(state: str):
    """Any further attempt would fail in the same way. The reason still has the SQLSTATE, and no value."""
    error = raised(state)
    assert not isinstance(error, INFRASTRUCTURE_FAULTS)
    reason = reason_without_values(error)
    assert f"SQLSTATE {state}" in reason
    assert "secret" not in reason


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("state", LOSING.values(), ids=LOSING)
def test_a_fault_of_the_connection_drops_the_connection(state: str):
    """The next transaction has a new one, to another server if the address leads to another by then."""
    old = server_process()
    assert raised(state).connection_invalidated
    assert server_process() != old


@pytest.mark.usefixtures("database")
def test_a_fault_that_does_not_concern_the_connection_keeps_it():
    """Connecting takes longer than most statements."""
    old = server_process()
    assert not raised(PASSING["lock_not_available"]).connection_invalidated
    assert not raised(LASTING["check_violation"]).connection_invalidated
    assert server_process() == old


@pytest.mark.usefixtures("tampered_database")
def test_a_server_that_became_read_only_is_left():
    """The second attempt meets a server that accepts writes again."""
    with transaction() as session:
        session.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(DBAPIError) as failed:
        create_voucher()
    assert getattr(failed.value.orig, "sqlstate", None) == "25006"
    assert isinstance(failed.value, INFRASTRUCTURE_FAULTS)
    create_voucher()
