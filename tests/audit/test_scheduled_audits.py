"""The scheduled audits: one at a time, each with a row, a line in the log, and an answer of counts."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from models.base import read_clock
from models.monitoring.recorded_audit import AuditKind, AuditRow, begin_audit, end_audit, newest_audits, try_audit_lock
from tasks.audit import run
from tasks.audit.audit import CHECKS
from tasks.audit.pace import Pace
from tests.intake.deliveries import delivery
from tests.intake.deliveries import run as decide
from tests.support.administrator import as_administrator
from tests.support.concurrency import until_waiting
from tests.support.environment import changed_environment
from tests.support.requests import create_voucher, redeem
from tests.support.tampering import tamper
from tests.support.tasks import task_named
from worker.database import transaction
from worker.logs.json_lines import FIELDS
from worker.queues import queue_of
from worker.schedule import AUDIT_PERIOD, BEAT_SCHEDULE

pytestmark = pytest.mark.usefixtures("without_rests")

KINDS = list(AuditKind)


def run_audit(kind: str) -> dict[str, Any]:
    """Run an audit as beat's message does."""
    answer: dict[str, Any] = task_named("audit.run")(request={"kind": kind})
    return answer


def audits() -> list[AuditRow]:
    """Return the rows of all audits, newest first."""
    with transaction() as session:
        return list(newest_audits(session, limit=100))


def clock() -> datetime:
    """Return the time of the database's clock."""
    with transaction() as session:
        return read_clock(session)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Collect what the audits log."""
    with caplog.at_level(logging.INFO, logger=run.__name__):
        caplog.clear()
        yield caplog


@pytest.mark.usefixtures("tampered_database")
@pytest.mark.parametrize("kind", KINDS)
def test_an_audit_leaves_a_row_a_line_and_an_answer(kind: AuditKind, log: pytest.LogCaptureFixture):
    """The row has what was found, and the line and the answer have no value of a customer."""
    before = clock()
    redeem(voucher=create_voucher()["id"], customer="cus_secret")
    assert run_audit(kind) == {"object": "audit", "kind": kind, "checks": len(CHECKS), "violations": 0}
    tamper("UPDATE discounts SET customer = 'cus_secret_too'")
    assert run_audit(kind) == {"object": "audit", "kind": kind, "checks": len(CHECKS), "violations": 1}
    second, first = audits()
    assert [(each.kind, each.checks) for each in (first, second)] == [(kind, len(CHECKS))] * 2
    assert (first.violations, first.findings, second.violations) == (0, [], 1)
    (finding,) = second.findings or []
    assert finding.keys() == {"check", "project", "subject", "detail"}
    assert (finding["check"], finding["project"]) == ("accepted redemptions and no others have a discount", "gigs")
    instants = [before, first.started_at, first.ended_at, second.started_at, second.ended_at, clock()]
    assert instants == sorted(instants)  # type: ignore[type-var]
    sound, broken = log.records
    assert (sound.levelname, broken.levelname) == ("INFO", "ERROR")
    assert sound.message.startswith(f"audit of {kind}: {len(CHECKS)} checks, 0 violations in ")
    assert broken.message.startswith(f"audit of {kind}: {len(CHECKS)} checks, 1 violations in ")
    assert broken.message.endswith(" s; accepted redemptions and no others have a discount: 1")
    fields = getattr(broken, FIELDS)
    assert (fields["event"], fields["kind"], fields["broken"]) == ("audit", kind, {finding["check"]: 1})
    assert "secret" not in log.text


@pytest.mark.usefixtures("database")
def test_an_audit_of_changes_begins_a_minute_before_the_last_audit_that_ended():
    """Whichever kind that was. An interrupted one is looked at again, and nothing before the last day."""
    run_audit("changes")
    run_audit("everything")
    interrupt()
    run_audit("changes")
    last, interrupted, whole, first = audits()
    assert (interrupted.ended_at, interrupted.checks) == (None, None)
    assert whole.changed_since is None
    minute = timedelta(minutes=1)
    assert first.changed_since == first.started_at - AUDIT_PERIOD - minute
    assert [each.changed_since for each in (last, interrupted)] == [whole.started_at - minute] * 2
    with as_administrator() as session:
        for each in audits():
            earlier = begin_audit(
                session, kind=AuditKind.EVERYTHING, now=each.started_at - timedelta(days=3), changed_since=None
            )
            end_audit(session, audit=earlier, checks=69, violations=0, findings=[])
        session.execute(text("DELETE FROM audits WHERE started_at > now() - interval '1 day'"))
    run_audit("changes")
    newest = audits()[0]
    assert newest.changed_since == newest.started_at - timedelta(days=1)


@pytest.mark.usefixtures("database")
def test_an_audit_goes_on_after_the_clock_was_set_back():
    """It looks at the changes since the last audit that began earlier, not at a span that ends before it begins."""
    run_audit("changes")
    with as_administrator() as session:
        ahead = read_clock(session) + timedelta(hours=1)
        audit = begin_audit(session, kind=AuditKind.EVERYTHING, now=ahead, changed_since=None)
        ended = "ended_at = started_at, checks = 69, violations = 0, findings = '[]'"
        session.execute(text(f"UPDATE audits SET {ended} WHERE id = :id"), {"id": audit})  # noqa: S608 - the text above
    assert run_audit("changes")["checks"] == len(CHECKS)
    _, last, first = audits()
    assert last.changed_since == first.started_at - timedelta(minutes=1)


def interrupt() -> None:
    """Let an audit of changes fail in the middle."""
    create_voucher()
    with without_discounts(), pytest.raises(Exception, match="42P01"):
        run_audit("changes")


@contextmanager
def without_discounts() -> Iterator[None]:
    """Take a table away that audits read."""
    with as_administrator() as session:
        session.execute(text("ALTER TABLE discounts RENAME TO discounts_elsewhere"))
    try:
        yield
    finally:
        with as_administrator() as session:
            session.execute(text("ALTER TABLE discounts_elsewhere RENAME TO discounts"))


@pytest.mark.slow
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("kind", KINDS)
def test_all_attempts_at_a_scheduled_audit_leave_one_row(kind: AuditKind):
    """The successful one ends the row. An audit in between, and a copy of an ended one, have rows of their own."""
    other = next(each for each in KINDS if each is not kind)
    create_voucher()
    with without_discounts():
        for number in (1, 2):
            for retries in range(3):
                attempt(kind, number=number, retries=retries)
    attempt(other, number=3)
    _, second, first = audits()
    assert [(each.kind, each.checks) for each in audits()] == [(other, len(CHECKS)), (kind, None), (kind, None)]
    for retries in (3, 4):
        attempt(kind, number=2, retries=retries)
    copy, _, ended, interrupted = audits()
    assert interrupted == first
    assert (ended.id, ended.started_at, ended.checks) == (second.id, second.started_at, len(CHECKS))
    assert (copy.kind, copy.checks) == (kind, len(CHECKS))


def attempt(kind: AuditKind, *, number: int, retries: int = 0) -> None:
    """Decide the message of a scheduled audit as a child does, whatever comes of it."""
    decide("audit.run", [delivery({"kind": kind}, number=number, retries=retries)], "")


@pytest.mark.usefixtures("database")
def test_two_audits_never_run_at_once(log: pytest.LogCaptureFixture):
    """An audit of changes has nothing to do while another runs, and one of everything waits until that has ended."""
    answers: list[dict[str, Any]] = []
    with transaction() as other:
        assert try_audit_lock(other)
        assert run_audit("changes") == {"object": "audit", "kind": "changes", "checks": 0, "violations": 0}
        assert audits() == []
        assert [each.message for each in log.records] == [
            "another audit runs, so this one of changes has nothing to do"
        ]
        waiting = Thread(target=lambda: answers.append(run_audit("everything")))
        waiting.start()
        with transaction() as session:
            until_waiting(session, 1)
        assert audits() == []
    waiting.join(60)
    assert [each["checks"] for each in answers] == [len(CHECKS)]
    assert run_audit("changes")["checks"] == len(CHECKS)


@pytest.mark.usefixtures("database")
def test_after_an_outage_of_the_database_the_next_audit_sees_the_same_changes():
    """The audit that found no database is tried again by the worker until its message expires."""
    run_audit("changes")
    with changed_environment(DATABASE_URL="postgresql://scrip@127.0.0.1:9/scrip"), pytest.raises(OperationalError):
        run_audit("changes")
    run_audit("changes")
    second, first = audits()
    assert second.changed_since == first.started_at - timedelta(minutes=1)


@pytest.mark.usefixtures("database")
def test_audits_of_more_than_thirty_days_ago_are_forgotten():
    """The next audit deletes them."""
    now = clock()
    for days in (31, 29):
        with transaction() as session:
            begin_audit(session, kind=AuditKind.EVERYTHING, now=now - timedelta(days=days), changed_since=None)
    run_audit("changes")
    assert [now - each.started_at for each in audits()][1:] == [timedelta(days=29)]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "change",
    [
        "ended_at = started_at - interval '1 second'",
        "ended_at = NULL",
        "violations = -1",
        "findings = NULL",
        "changed_since = NULL",
        "changed_since = started_at + interval '1 second'",
        "kind = 'everything'",
        "kind = 'something'",
        "project = 'gigs'",
    ],
)
def test_a_row_that_cannot_be_is_refused(change: str):
    """The database itself refuses it."""
    with transaction() as session:
        now = read_clock(session)
        audit = begin_audit(session, kind=AuditKind.CHANGES, now=now, changed_since=now)
        end_audit(session, audit=audit, checks=69, violations=0, findings=[])
    with pytest.raises(IntegrityError), as_administrator() as session:
        session.execute(text(f"UPDATE audits SET {change}"))  # noqa: S608 - the texts above


def test_beat_sends_both_kinds_into_the_queue_of_sweeps():
    """Each message expires before it would do the work of the next."""
    scheduled = {
        entry["kwargs"]["request"]["kind"]: entry for entry in BEAT_SCHEDULE.values() if entry["task"] == "audit.run"
    }
    assert scheduled.keys() == set(KINDS)
    assert queue_of("audit.run") == "sweeps"
    assert scheduled["changes"]["schedule"] == timedelta(minutes=5)
    assert scheduled["changes"]["options"] == {"expires": 300}
    nightly = scheduled["everything"]["schedule"]
    assert (nightly.hour, nightly.minute) == ({3}, {0})
    assert scheduled["everything"]["options"]["expires"] <= 3_600


def test_an_audit_rests_nine_times_as_long_as_it_works_until_its_time_is_over():
    """After that it works without rests, so that it ends."""
    now, rests = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        rests.append(seconds)
        now[0] += seconds

    pace = Pace(seconds_max=120, sleep=sleep, clock=lambda: now[0])
    for seconds in (1, 10, 3, 5):
        with pace.work():
            now[0] += seconds
    # It has worked and rested for 10 and 100 seconds, and then worked for 3: seven are left.
    assert rests == [9, 90, 7]
