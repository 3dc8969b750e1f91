"""The metrics from the database, on rows that tasks wrote."""

import re
from contextlib import suppress
from threading import Thread

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.base import read_clock
from models.monitoring.beat_tick import find_last_tick
from models.monitoring.figures import limit_statements
from models.monitoring.recorded_audit import AuditKind, begin_audit, end_audit
from tasks.monitoring.beat_ticks import store_tick
from tasks.monitoring.database_figures import read_database
from tests.end_to_end.database import holding_voucher, waiting_for_locks
from tests.intake.deliveries import REDEEM, batch, begin_alone, run
from tests.support.administrator import as_administrator
from tests.support.environment import changed_environment
from tests.support.holds import reserve
from tests.support.requests import create_voucher, redeem
from tests.support.statements import analyze, explained
from tests.support.tasks import task_named
from tests.support.waiting import eventually
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database", "without_rests")


def figures() -> dict[tuple[str, ...], float]:
    """Return each reading by the name of the metric and the values of its labels."""
    return {(each.metric.name, *each.labels): each.value for each in read_database()}


def execute(statement: str) -> None:
    """Run a statement that puts rows into the past."""
    with as_administrator() as session:
        session.execute(text(statement))


def test_an_empty_database_has_no_ages() -> None:
    """Neither a sweep nor a tick of beat: an alert must not take them for fresh."""
    found = figures()
    names = {name for name, *_ in found}
    assert names.isdisjoint({"scrip_sweep_age_seconds", "scrip_beat_tick_age_seconds"})
    assert found["scrip_dead_letters",] == found["scrip_holds_open",] == found["scrip_hold_overdue_age_seconds",] == 0
    assert found["scrip_lock_wait_age_seconds",] == 0


def test_held_places_count_until_the_sweep_lapses_them() -> None:
    """Those that are overdue show that the sweep is late."""
    voucher = create_voucher()["id"]
    for _ in range(3):
        reserve(voucher=voucher)
    assert (figures()["scrip_holds_open",], figures()["scrip_hold_overdue_age_seconds",]) == (3, 0)
    execute(
        "UPDATE holds SET created_at = created_at - interval '1 hour', expires_at = expires_at - interval '1 hour',"
        " effective_at = effective_at - interval '1 hour'"
    )
    assert 2_000 < figures()["scrip_hold_overdue_age_seconds",] < 3_600
    task_named("expiry.sweep")(request={})
    assert (figures()["scrip_holds_open",], figures()["scrip_hold_overdue_age_seconds",]) == (0, 0)


def test_unknown_codes_are_counted_by_project() -> None:
    """Those whose time is over do not count."""
    for project, customer in (("gigs", "cus_1"), ("gigs", "cus_2"), ("gigs", "cus_2"), ("other", "cus_1")):
        redeem(project=project, customer=customer, code="UNKNOWN")
    found = figures()
    assert (found["scrip_unknown_codes", "gigs"], found["scrip_unknown_codes", "other"]) == (3, 1)
    execute("UPDATE failed_attempts SET began_at = began_at - interval '600 s' WHERE customer = 'cus_1'")
    found = figures()
    assert found["scrip_unknown_codes", "gigs"] == 2
    assert ("scrip_unknown_codes", "other") not in found


def test_the_age_of_the_last_sweep_is_that_of_the_last_that_ended() -> None:
    """One that was interrupted does not count."""
    task_named("expiry.sweep")(request={})
    execute("UPDATE sweeps SET started_at = started_at - interval '600 s', ended_at = ended_at - interval '600 s'")
    execute("INSERT INTO sweeps (project, id, started_at) VALUES ('', 'ffffffff-ffff-7fff-bfff-ffffffffffff', now())")
    assert 600 <= figures()["scrip_sweep_age_seconds",] < 660


def test_the_audits_have_an_age_and_violations_that_stay_until_everything_was_audited() -> None:
    """The second audit of changes found nothing new. One that was interrupted does not count."""
    assert {name for name, *_ in figures()}.isdisjoint({"scrip_audit_age_seconds", "scrip_audit_violations"})
    task_named("audit.run")(request={"kind": "changes"})
    execute("UPDATE audits SET started_at = started_at - interval '99 s', changed_since = 'epoch'")
    found = figures()
    assert [found["scrip_audit_violations", kind] for kind in AuditKind] == [0, 0]
    # None of everything has ended, so its age is that of the first audit.
    assert 0 <= found["scrip_audit_age_seconds", "changes"] < 60
    assert 99 <= found["scrip_audit_age_seconds", "everything"] < 160
    task_named("audit.run")(request={"kind": "everything"})
    assert figures()["scrip_audit_violations", "everything"] == 0
    for violations in (2, 0, None):
        with transaction() as session:
            now = read_clock(session)
            audit = begin_audit(session, kind=AuditKind.CHANGES, now=now, changed_since=now)
            if violations is not None:
                end_audit(session, audit=audit, checks=69, violations=violations, findings=[])
    execute(
        "UPDATE audits SET changed_since = NULL, started_at = started_at - interval '600 s',"
        " ended_at = ended_at - interval '600 s' WHERE kind = 'everything'"
    )
    found = figures()
    assert [found["scrip_audit_violations", kind] for kind in AuditKind] == [2, 0]
    assert 0 <= found["scrip_audit_age_seconds", "changes"] < 60
    assert 600 <= found["scrip_audit_age_seconds", "everything"] < 660
    task_named("audit.run")(request={"kind": "everything"})
    assert figures()["scrip_audit_violations", "changes"] == 0


def test_beats_tick_gets_older_until_the_next() -> None:
    """There is one row, however often beat ticks."""
    for _ in range(2):
        store_tick()
    assert 0 <= figures()["scrip_beat_tick_age_seconds",] < 60
    execute("UPDATE beat_ticks SET ticked_at = ticked_at - interval '600 s'")
    assert 600 <= figures()["scrip_beat_tick_age_seconds",] < 660
    with transaction() as session:
        assert find_last_tick(session) is not None


def test_a_dead_letter_counts() -> None:
    """A message that its child never survived."""
    deliveries = batch(1, is_suspect=True)
    begin_alone(deliveries, times=10)
    run(REDEEM, deliveries, "WorkerLostError: its process ended")
    assert figures()["scrip_dead_letters",] == 1


def test_a_wait_for_a_lock_and_a_deadlock_show(database: dict[str, str]) -> None:
    """The wait is also a state of a session."""
    url = database["DATABASE_URL"]
    voucher = create_voucher(name="Held")["id"]
    before = figures()["scrip_database_deadlocks_total",]
    with holding_voucher(url, name="Held"):
        waiting = Thread(target=redeem, kwargs={"voucher": voucher})
        waiting.start()
        eventually(lambda: waiting_for_locks(url))
        found = figures()
        assert found["scrip_lock_wait_age_seconds",] > 0
        assert found["scrip_database_sessions", "waiting for a lock"] == 1
    waiting.join(60)
    cause_deadlock(url)
    eventually(lambda: figures()["scrip_database_deadlocks_total",] > before)


def cause_deadlock(url: str) -> None:
    """Have two sessions wait for each other's lock, until PostgreSQL ends one of the waits."""

    def cross(connection: psycopg.Connection, lock: int) -> None:
        with suppress(psycopg.errors.DeadlockDetected):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
        connection.rollback()

    with psycopg.connect(url) as one, psycopg.connect(url) as other:
        one.execute("SELECT pg_advisory_xact_lock(1)")
        other.execute("SELECT pg_advisory_xact_lock(2)")
        threads = [Thread(target=cross, args=arguments) for arguments in ((one, 2), (other, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_no_figure_scans_a_table(is_analyzed: bool) -> None:
    """Whatever the statistics say. PostgreSQL's own views are no tables."""
    voucher = create_voucher()["id"]
    for _ in range(30):
        reserve(voucher=voucher)
    if is_analyzed:
        analyze()
    with explained() as plans:
        read_database()
    (plan,) = (each for each in plans if "holds" in each)
    assert not [each for each in plans if "on audits" in each and "Index" not in each]
    assert not re.search(r"(Seq|Bitmap \w+) Scan on (holds|dead_letters|sweeps|beat_ticks|audits)", plan)
    # Both indexes have the open holds only.
    assert len(re.findall("using (ix_holds_due|uq_holds_open) on holds", plan)) == 2


def test_a_statement_that_takes_too_long_is_cancelled() -> None:
    """A scrape has a bound, and the session is not left running."""
    with transaction() as session:
        limit_statements(session, seconds=1)
        with pytest.raises(DBAPIError, match="statement timeout"):
            session.execute(text("SELECT pg_sleep(60)"))
        session.rollback()


def test_beat_goes_on_without_the_database(caplog: pytest.LogCaptureFixture) -> None:
    """The broker has the task already. The log has no address."""
    with changed_environment(DATABASE_URL="postgresql://scrip:SECRET@127.0.0.1:9/scrip"):
        store_tick()
    assert "the tick could not be stored: OperationalError" in caplog.text
    assert "SECRET" not in caplog.text
