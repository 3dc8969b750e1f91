"""Every wait for the database server ends, even if TCP acknowledges each byte and nothing ever answers."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tasks.audit.audit import audit
from tests.support.environment import changed_environment
from tests.support.proxy import Cut, Proxy
from tests.support.requests import create_voucher, redemption
from tests.support.tasks import task_named
from worker import database as db
from worker import database_waits as waits
from worker.database import allow_long_statements, transaction
from worker.settings import database_settings

# The statement timeout is 1 s, and the client waits half a second longer.
LIMIT_SECONDS = 1.5
ANNOUNCED_SECONDS = 0.5
WAITING = waits.WAITING % (ANNOUNCED_SECONDS, LIMIT_SECONDS)
CUT = waits.CUT % LIMIT_SECONDS


@pytest.fixture
def proxy(database: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Connect this process through a proxy, with short limits."""
    monkeypatch.setattr(waits, "ANSWER_SECONDS_MAX", LIMIT_SECONDS - 1)
    monkeypatch.setattr(waits, "ANNOUNCED_SECONDS", ANNOUNCED_SECONDS)
    monkeypatch.setattr(waits, "CONNECT_SECONDS_MAX", 2)
    with (
        Proxy(database["DATABASE_URL"]) as proxy,
        changed_environment(DATABASE_URL=proxy.url, SCRIP_STATEMENT_TIMEOUT_SECONDS="1"),
    ):
        yield proxy
        # Nothing waits for an answer to the last words of a connection.
        proxy.reset()


def test_by_default_no_wait_lasts_longer_than_thirty_seconds(database: dict[str, str]):
    """The log says within five seconds that a process waits. The tests below have shorter limits."""
    with changed_environment(DATABASE_URL=database["DATABASE_URL"]):
        assert waits.statement_seconds_max(database_settings()) <= 30
    assert max(waits.host_seconds_max(hosts=1), 3 * waits.host_seconds_max(hosts=3), waits.PING_SECONDS_MAX) <= 30
    assert waits.ANNOUNCED_SECONDS <= 5


def is_lost(error: OperationalError) -> bool:
    """Return whether the error is that of a lost connection, which the pool has dropped."""
    return error.connection_invalidated and getattr(error.orig, "sqlstate", "") is None


def select_after(fault: Callable[[int], None]) -> None:
    """Run two statements. Between them, the fault happens to the server process."""
    with transaction() as session:
        fault(session.execute(text("SELECT pg_backend_pid()")).scalar_one())
        session.execute(text("SELECT 'secret'"))


@pytest.mark.parametrize("lose", [Proxy.forget, Proxy.abandon])
def test_a_statement_without_an_answer_ends_at_the_deadline(proxy: Proxy, lose: Callable[[Proxy], None], caplog):
    """The log says so before. The rollback does not wait again, and the next transaction has a new connection."""
    started = time.monotonic()
    with pytest.raises(OperationalError) as failed:
        select_after(lambda _: lose(proxy))
    assert time.monotonic() - started >= LIMIT_SECONDS
    assert is_lost(failed.value)
    assert caplog.messages == [WAITING, CUT]
    with transaction() as session:
        assert session.execute(text("SELECT 2")).scalar_one() == 2


def test_a_reset_ends_a_statement_at_once(proxy: Proxy, caplog):
    """Nobody waits for a connection that is known to be lost."""
    with pytest.raises(OperationalError) as failed:
        select_after(lambda _: proxy.reset())
    assert is_lost(failed.value)
    assert caplog.messages == []


@pytest.mark.usefixtures("proxy")
def test_a_stopped_server_process_holds_nobody_up(caplog):
    """The kernel acknowledges for a process that has been stopped."""
    stopped: list[int] = []

    def stop(server_process: int) -> None:
        os.kill(server_process, signal.SIGSTOP)
        stopped.append(server_process)

    with pytest.raises(OperationalError) as failed:
        select_after(stop)
    for each in stopped:
        os.kill(each, signal.SIGCONT)
    assert is_lost(failed.value)
    assert caplog.messages == [WAITING, CUT]


def test_a_commit_without_an_answer_is_decided_by_the_replay(proxy: Proxy, caplog):
    """The server has committed. The repeated request gets the first answer."""
    voucher = create_voucher()
    request = redemption(voucher=voucher["id"])
    proxy.cut_at(b"COMMIT", Cut.SILENCE_AFTER)
    with pytest.raises(OperationalError) as failed:
        task_named("redemptions.redeem")(request=request)
    assert is_lost(failed.value)
    assert caplog.messages == [WAITING, CUT]
    count = text("SELECT count(*) FROM redemptions")
    with transaction() as session:
        assert session.execute(count).scalar_one() == 1
    assert task_named("redemptions.redeem")(request=request)["outcome"] == "accepted"
    with transaction() as session:
        assert session.execute(count).scalar_one() == 1


def test_a_slow_answer_is_announced_and_awaited(proxy: Proxy, caplog):
    """The log line has no value of the statement."""
    with transaction() as session:
        session.execute(text("SELECT 1"))
        proxy.delay_seconds = ANNOUNCED_SECONDS / 2 + 0.1
        assert session.execute(text("SELECT 'secret'")).scalar_one() == "secret"
        proxy.delay_seconds = 0
    assert caplog.messages == [WAITING]


@pytest.mark.usefixtures("proxy")
def test_postgres_cancels_a_long_statement_before_the_deadline():
    """Such a fault has a SQLSTATE, and the connection remains."""
    with pytest.raises(OperationalError) as failed, transaction() as session:
        session.execute(text("SELECT pg_sleep(60)"))
    assert getattr(failed.value.orig, "sqlstate", None) == "57014"
    assert not failed.value.connection_invalidated


@pytest.mark.slow
def test_connecting_ends(proxy: Proxy, caplog):
    """The proxy accepts the connection, and the server never answers to the first message."""
    proxy.hold_back()
    with pytest.raises(OperationalError) as failed, transaction() as session:
        session.execute(text("SELECT 1"))
    assert getattr(failed.value.orig, "sqlstate", "") is None
    assert caplog.messages == [waits.CONNECTING % (ANNOUNCED_SECONDS, 2)]


@pytest.mark.parametrize("asked_after", ["FRESH_SECONDS", "PLANNED_SECONDS_MAX"])
def test_an_idle_connection_that_does_not_answer_is_replaced(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, asked_after: str, caplog
):
    """The flow was forgotten while nobody used it. New flows work."""
    monkeypatch.setattr(db, asked_after, 0)
    monkeypatch.setattr(db, "PING_SECONDS_MAX", 1)
    with transaction() as session:
        old = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    proxy.cut_at({"FRESH_SECONDS": b";", "PLANNED_SECONDS_MAX": b"DISCARD"}[asked_after], Cut.SILENCE_AFTER)
    with transaction() as session:
        assert session.execute(text("SELECT pg_backend_pid()")).scalar_one() != old
    assert caplog.messages == [waits.WAITING % (ANNOUNCED_SECONDS, 1), waits.CUT % 1]


@pytest.mark.slow
@pytest.mark.usefixtures("proxy")
def test_work_on_whole_tables_has_no_limit(caplog):
    """The audit and the migrations use the same. The next transaction has its limit again."""
    with transaction() as session:
        allow_long_statements(session.connection())
        session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": LIMIT_SECONDS + 0.5})
    assert audit() == []
    assert caplog.messages == []
    test_postgres_cancels_a_long_statement_before_the_deadline()
    assert caplog.messages == [WAITING]


def test_two_lost_connections_in_a_row_are_a_passing_fault(proxy: Proxy, monkeypatch: pytest.MonkeyPatch):
    """The pool connects again once. Then the task is tried again."""
    with transaction() as session:
        session.execute(text("SELECT 1"))
    monkeypatch.setattr(db, "FRESH_SECONDS", 0)
    monkeypatch.setattr(db, "PING_SECONDS_MAX", 0.01)
    proxy.delay_seconds = 0.02
    with pytest.raises(OperationalError), transaction() as session:
        session.execute(text("SELECT 1"))
