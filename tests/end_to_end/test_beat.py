"""Beat sends the sweep to its own queue, with an expiry of a minute."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scrip.stack.listener import free_port
from tests.end_to_end.broker import Broker, with_redis
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Program
from tests.support.overdue_schedule import write_overdue_schedule
from tests.support.waiting import eventually
from worker.fault_points import VARIABLE, FaultPoint
from worker.monitoring.kept_queue_ages import KEY
from worker.schedule import SWEEP_PERIOD

# A database of Valkey from which no worker reads.
UNREAD = 6


@pytest.fixture
def variables(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the variables of a beat with a schedule file in which the sweep is overdue."""
    schedule_file = tmp_path / "schedule"
    write_overdue_schedule(schedule_file)
    variables = with_redis(environment, number=UNREAD) | {"SCRIP_BEAT_SCHEDULE_FILE": str(schedule_file)}
    yield variables
    Broker(variables).redis.flushdb()


@pytest.fixture
def beat(variables: dict[str, str], tmp_path: Path) -> Iterator[Program]:
    """Run `celery -A tasks beat`."""
    with Program("beat", folder=tmp_path, environment=variables) as program:
        yield program


@pytest.mark.slow
def test_beat_sends_the_sweep_with_an_expiry_into_its_own_queue(beat: Program) -> None:
    """A sweep that no worker has fetched in time expires: the next sweep does the same work."""
    broker = Broker(beat.environment)
    eventually(lambda: broker.waiting("sweeps") or not beat.is_alive())
    assert beat.is_alive(), beat.log
    message = json.loads(str(broker.redis.rpop("sweeps")))
    headers = message["headers"]
    assert headers["task"] == "expiry.sweep"
    left = datetime.fromisoformat(headers["expires"]) - datetime.now(UTC)
    assert timedelta() < left <= SWEEP_PERIOD == timedelta(seconds=60)
    assert broker.messages() == 0


@pytest.mark.slow
def test_beat_looks_at_the_queues_when_it_sends_the_sweep(beat: Program) -> None:
    """So `scrip status` knows how long the oldest message has waited, if nobody takes it."""
    broker = Broker(beat.environment)
    eventually(lambda: broker.redis.exists(KEY) or not beat.is_alive())
    assert beat.is_alive(), beat.log
    assert list(json.loads(str(broker.redis.get(KEY)))["lists"]) == ["sweeps"]


@pytest.mark.slow
@pytest.mark.parametrize(("point", "sent"), [(FaultPoint.BEFORE_PUBLISHING, 1), (FaultPoint.AFTER_PUBLISHING, 2)])
def test_the_sweep_of_a_killed_beat_is_sent_by_the_next(
    variables: dict[str, str], tmp_path: Path, point: FaultPoint, sent: int
) -> None:
    """Beat is killed while it sends the sweep. A sweep that was sent twice has one effect."""
    broker = Broker(variables)
    with Program("beat", folder=tmp_path, environment=variables | {VARIABLE: f"{point}:kill:1"}) as beat:
        eventually(lambda: not beat.is_alive())
        assert broker.waiting("sweeps") == sent - 1
    with Program("beat", folder=tmp_path, environment=variables):
        eventually(lambda: broker.waiting("sweeps") == sent)


@pytest.mark.slow
def test_beat_leaves_a_trace_of_each_task_that_it_sends(database: dict[str, str], beat: Program) -> None:
    """By the database's clock. A sweep that never comes would leave none."""
    url = database["DATABASE_URL"]
    eventually(lambda: rows(url, "SELECT 1 FROM beat_ticks") or not beat.is_alive())
    assert rows(url, "SELECT clock_timestamp() - ticked_at < interval '1 minute' FROM beat_ticks") == [(True,)]
    assert Broker(beat.environment).waiting("sweeps") == 1


@pytest.mark.slow
def test_beat_sends_its_tasks_while_the_database_is_away(variables: dict[str, str], tmp_path: Path) -> None:
    """Its log says that the tick is missing, and not where the database is."""
    away = {"DATABASE_URL": f"postgresql://scrip:SECRET@127.0.0.1:{free_port()}/scrip"}
    with Program("beat", folder=tmp_path, environment=variables | away) as beat:
        eventually(lambda: "the tick could not be stored" in beat.log or not beat.is_alive())
        assert Broker(variables).waiting("sweeps") == 1
        assert beat.is_alive()
        assert "SECRET" not in beat.log
