"""Beat sends the tasks of its schedule, and removes expired results from a store that keeps them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery
from celery.beat import PersistentScheduler, ScheduleEntry

from tasks.celery import app
from tests.support.waiting import eventually
from worker.beat_scheduler import Scheduler
from worker.schedule import BEAT_SCHEDULE, NIGHTLY_AUDIT, SWEEP


@pytest.fixture
def keeping(tmp_path: Path) -> Celery:
    """Return an app whose results are in SQLite, which keeps them for ever, and which sends into memory."""
    return Celery(
        "keeping",
        broker="memory://",
        backend=f"db+sqlite:///{tmp_path / 'results.sqlite'}",
        result_expires=60,
        set_as_current=False,
    )


def scheduler_of(keeping: Celery, kind: type[PersistentScheduler], folder: Path) -> PersistentScheduler:
    """Return a scheduler with the schedule of Scrip."""
    keeping.conf.beat_schedule = BEAT_SCHEDULE
    return kind(app=keeping, schedule_filename=str(folder / "schedule"))


def test_celerys_own_scheduler_would_send_a_task_that_no_worker_runs(keeping: Celery, tmp_path: Path) -> None:
    """So the test after this one can fail."""
    found = scheduler_of(keeping, PersistentScheduler, tmp_path)
    assert "celery.backend_cleanup" in found.schedule
    found.close()


@pytest.mark.usefixtures("environment")
def test_beat_has_the_tasks_of_the_schedule_only(keeping: Celery, tmp_path: Path) -> None:
    """Whatever the result store is."""
    assert app.conf.beat_scheduler is Scheduler
    scheduler = scheduler_of(keeping, Scheduler, tmp_path)
    assert set(scheduler.schedule) == set(BEAT_SCHEDULE)
    scheduler.close()


@pytest.mark.parametrize(("entry", "left"), [(NIGHTLY_AUDIT, {"new"}), (SWEEP, {"old", "new"})])
def test_expired_results_are_removed_at_night(keeping: Celery, tmp_path: Path, entry: str, left: set[str]) -> None:
    """By beat itself, beside the nightly audit."""
    for task_id in ("old", "new"):
        keeping.backend.store_result(task_id, {}, "SUCCESS")
    with keeping.backend.ResultSession() as session:
        old = session.query(keeping.backend.task_cls).filter_by(task_id="old").one()
        old.date_done = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)
        session.commit()
    scheduler = scheduler_of(keeping, Scheduler, tmp_path)
    scheduler.apply_entry(ScheduleEntry(name=entry, task="audit.run", schedule=60, app=keeping))

    def stored() -> set[str]:
        with keeping.backend.ResultSession() as session:
            return {each.task_id for each in session.query(keeping.backend.task_cls)}

    eventually(lambda: stored() == left)
    scheduler.close()
