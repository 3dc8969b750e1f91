"""Beat's schedule: the periodic tasks, and how often each is sent."""

from datetime import timedelta
from typing import Any

from celery.schedules import crontab

SWEEP = "expiry.sweep"
SWEEP_PERIOD = timedelta(minutes=1)
AUDIT = "audit.run"
AUDIT_PERIOD = timedelta(minutes=5)
PRUNING = "expiry.prune"
# A message of these is never kept as a dead letter: beat sends the next one.
PERIODIC = frozenset({SWEEP, AUDIT, PRUNING})
NIGHTLY_AUDIT = "audit of everything"
# In UTC.
NIGHT_HOUR = 3
NIGHTLY_AUDIT_EXPIRES_SECONDS = 3_600
# After most audits of everything.
PRUNING_HOUR = 4
PRUNING_EXPIRES_SECONDS = 3_600

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    SWEEP: {
        "task": SWEEP,
        "schedule": SWEEP_PERIOD,
        "kwargs": {"request": {}},
        # After a whole period in the queue a sweep is obsolete: the next sweep does the same work.
        "options": {"expires": SWEEP_PERIOD.total_seconds()},
    },
    "audit of changes": {
        "task": AUDIT,
        "schedule": AUDIT_PERIOD,
        "kwargs": {"request": {"kind": "changes"}},
        # The next one looks at the same changes.
        "options": {"expires": AUDIT_PERIOD.total_seconds()},
    },
    NIGHTLY_AUDIT: {
        "task": AUDIT,
        "schedule": crontab(hour=NIGHT_HOUR, minute=0),
        "kwargs": {"request": {"kind": "everything"}},
        # It has to begin at night.
        "options": {"expires": NIGHTLY_AUDIT_EXPIRES_SECONDS},
    },
    PRUNING: {
        "task": PRUNING,
        "schedule": crontab(hour=PRUNING_HOUR, minute=0),
        "kwargs": {"request": {}},
        # The next night prunes the same.
        "options": {"expires": PRUNING_EXPIRES_SECONDS},
    },
}
