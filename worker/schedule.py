"""Beat's schedule: the periodic tasks, and how often each is sent."""

from datetime import timedelta
from typing import Any

SWEEP = "expiry.sweep"
SWEEP_PERIOD = timedelta(minutes=1)

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    SWEEP: {
        "task": SWEEP,
        "schedule": SWEEP_PERIOD,
        "kwargs": {"request": {}},
        # After a whole period in the queue a sweep is obsolete: the next sweep does the same work.
        "options": {"expires": SWEEP_PERIOD.total_seconds()},
    },
}
