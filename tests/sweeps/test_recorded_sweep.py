"""The rows of sweeps: one for each run, with its counts, for 30 days."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models.base import read_clock
from models.sweeps.recorded_sweep import (
    COUNTS,
    SweepRow,
    begin_sweep,
    end_sweep,
    find_last_ended,
    forget_sweeps,
    newest_sweeps,
)
from tests.support.administrator import as_administrator
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

LONG_AGO = "2026-01-01T00:00:00Z"


def sweeps() -> list[SweepRow]:
    """Return the rows of all runs, newest first."""
    with transaction() as session:
        return list(newest_sweeps(session, limit=100))


def last_ended() -> SweepRow | None:
    """Return the row of the last run that ended."""
    with transaction() as session:
        return find_last_ended(session)


def counts_of(run: SweepRow) -> dict[str, int | None]:
    """Return the six counts of a run that are not zero."""
    return {name: getattr(run, name) for name in COUNTS if getattr(run, name) != 0}


def test_each_run_leaves_a_row_with_its_counts():
    """The newest is first, and each row says when the run began and ended, by the database's clock."""
    assert (sweeps(), last_ended()) == ([], None)
    with transaction() as session:
        before = read_clock(session)
    create_voucher(restrictions={"expiresAt": LONG_AGO})
    for _ in range(2):
        task_named("expiry.sweep")(request={})
    with transaction() as session:
        after = read_clock(session)
    second, first = sweeps()
    assert (counts_of(first), counts_of(second)) == ({"expired": 1}, {})
    instants = [before, first.started_at, first.ended_at, second.started_at, second.ended_at, after]
    assert instants == sorted(instants)  # type: ignore[type-var]
    assert last_ended() == second


def test_an_interrupted_run_leaves_a_row_without_an_end():
    """What it had committed stays done. The run after it is the last one that ended."""
    ended = task_named("expiry.sweep")(request={})
    assert ended["expired"] == 0
    with as_administrator() as session:
        session.execute(text("ALTER TABLE discounts RENAME TO discounts_elsewhere"))
    create_voucher(restrictions={"expiresAt": LONG_AGO})
    try:
        with pytest.raises(Exception, match="42P01"):
            task_named("expiry.sweep")(request={})
    finally:
        with as_administrator() as session:
            session.execute(text("ALTER TABLE discounts_elsewhere RENAME TO discounts"))
    interrupted, whole = sweeps()
    assert (interrupted.ended_at, interrupted.expired) == (None, None)
    assert last_ended() == whole
    task_named("expiry.sweep")(request={})
    assert [each.ended_at is None for each in sweeps()] == [False, True, False]
    assert last_ended() == sweeps()[0]


def test_runs_at_once_leave_a_row_each():
    """They share the work: a voucher is counted by one of them."""
    create_voucher(restrictions={"expiresAt": LONG_AGO})
    at_once([lambda: task_named("expiry.sweep")(request={})] * 4)
    assert sorted(each.expired or 0 for each in sweeps()) == [0, 0, 0, 1]


def test_runs_of_more_than_thirty_days_ago_are_forgotten():
    """The next run deletes them, and keeps a run of 30 days ago."""
    with transaction() as session:
        now = read_clock(session)
        for ago in (timedelta(days=31), timedelta(days=30, seconds=1), timedelta(days=29, hours=23)):
            end_sweep(session, run=begin_sweep(session, now=now - ago), counts=dict.fromkeys(COUNTS, 0))
    assert len(sweeps()) == 3
    task_named("expiry.sweep")(request={})
    assert [now - each.started_at for each in sweeps()][1:] == [timedelta(days=29, hours=23)]


def test_forgetting_excludes_the_very_instant():
    """A run that began exactly then is kept."""
    with transaction() as session:
        now = read_clock(session)
        begin_sweep(session, now=now - timedelta(days=30))
        forget_sweeps(session, now=now, after=timedelta(days=30))
        assert len(newest_sweeps(session, limit=9)) == 1
        forget_sweeps(session, now=now + timedelta(milliseconds=1), after=timedelta(days=30))
        assert newest_sweeps(session, limit=9) == []


@pytest.mark.parametrize(
    "change",
    [
        "ended_at = started_at - interval '1 second'",
        "expired = NULL",
        "expired = -1",
        "ended_at = NULL",
        "project = 'gigs'",
    ],
)
def test_a_row_that_cannot_be_is_refused(change: str):
    """The database itself refuses it."""
    task_named("expiry.sweep")(request={})
    with pytest.raises(IntegrityError), as_administrator() as session:
        session.execute(text(f"UPDATE sweeps SET {change}"))  # noqa: S608 - the texts above
