"""What beat sends, and how often."""

from datetime import timedelta
from typing import Any

SWEEP_PERIOD = timedelta(minutes=1)

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "expiry.sweep": {
        "task": "expiry.sweep",
        "schedule": SWEEP_PERIOD,
        "kwargs": {"request": {}},
        # A sweep that waited for a whole period is worth nothing: the next one does its work.
        "options": {"expires": SWEEP_PERIOD.total_seconds()},
    },
}
