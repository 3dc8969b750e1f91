"""A schedule of beat in which the sweep is overdue."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery.beat import PersistentScheduler

from tasks.celery import app
from worker.schedule import SWEEP


def write_overdue_schedule(file: Path) -> None:
    """Write the file of a beat that last sent the sweep a day ago, and the other tasks just now."""
    with closing(PersistentScheduler(app=app, schedule_filename=str(file))) as scheduler:
        scheduler.schedule[SWEEP].last_run_at = datetime.now(UTC) - timedelta(days=1)
