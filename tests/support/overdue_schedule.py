"""A schedule of beat in which every task is overdue."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery.beat import PersistentScheduler

from tasks.celery import app


def write_overdue_schedule(file: Path) -> None:
    """Write the file of a beat that last sent each task a day ago."""
    with closing(PersistentScheduler(app=app, schedule_filename=str(file))) as scheduler:
        for entry in scheduler.schedule.values():
            entry.last_run_at = datetime.now(UTC) - timedelta(days=1)
