"""The audit of changes as it is scheduled, without rests."""

from datetime import timedelta

from models.base import read_clock
from tasks.audit.audit import Violation
from tasks.audit.changes import audit_changes
from tasks.audit.pace import Pace
from worker.database import transaction


def audit_latest(span: timedelta = timedelta(minutes=5)) -> list[Violation]:
    """Return the violations that the audit of changes finds by the rows of that time."""
    with transaction() as session:
        now = read_clock(session)
    return audit_changes(first=now - span, end=now, pace=Pace(seconds_max=0))
