"""Beat as it runs: the sweep in its own queue, worth nothing after a minute."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery.beat import PersistentScheduler

from tasks.celery import app
from tests.end_to_end.running import Broker, Program, eventually, with_redis
from worker.schedule import SWEEP_PERIOD

# Nobody reads here.
UNREAD = 6


@pytest.fixture
def beat(environment: dict[str, str], tmp_path: Path) -> Iterator[Program]:
    """`celery -A tasks beat` whose schedule file says that every entry last ran long ago."""
    schedule_file = tmp_path / "schedule"
    with closing(PersistentScheduler(app=app, schedule_filename=str(schedule_file))) as scheduler:
        for entry in scheduler.schedule.values():
            entry.last_run_at = datetime.now(UTC) - timedelta(days=1)
    variables = with_redis(environment, number=UNREAD) | {"SCRIP_BEAT_SCHEDULE_FILE": str(schedule_file)}
    broker = Broker(variables)
    with Program("beat", folder=tmp_path, environment=variables) as program:
        yield program
    broker.redis.flushdb()


def test_beat_sends_the_sweep_with_an_expiry_into_its_own_queue(beat: Program) -> None:
    """A sweep that nobody took in time is dropped: the next one does its work."""
    broker = Broker(beat.environment)
    eventually(lambda: broker.waiting("sweeps") or not beat.lives())
    assert beat.lives(), beat.log
    message = json.loads(str(broker.redis.rpop("sweeps")))
    headers = message["headers"]
    assert headers["task"] == "expiry.sweep"
    left = datetime.fromisoformat(headers["expires"]) - datetime.now(UTC)
    assert timedelta() < left <= SWEEP_PERIOD == timedelta(seconds=60)
    assert broker.messages() == 0
