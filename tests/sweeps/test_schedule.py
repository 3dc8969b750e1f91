"""Beat's schedule: a message that was not taken in time is obsolete."""

from datetime import timedelta

import pytest

from worker.schedule import BEAT_SCHEDULE

DAY = timedelta(days=1)


@pytest.mark.parametrize("name", BEAT_SCHEDULE)
def test_each_message_expires_before_the_next_but_one(name):
    """After a period at most, so that they never pile up: the next message does the same work."""
    entry = BEAT_SCHEDULE[name]
    period = entry["schedule"] if isinstance(entry["schedule"], timedelta) else DAY
    assert 0 < entry["options"]["expires"] <= period.total_seconds()
