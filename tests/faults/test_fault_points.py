"""Fault points: off they do nothing, and armed they act every N-th time, across processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from worker import fault_points
from worker.fault_points import COUNTER, VARIABLE, FaultPoint, InjectedFault, armed, watch_statements

pytestmark = pytest.mark.slow

# A database of Valkey for the workers whose points are counted.
WATCHED = 14
# A message that is decided at once is not put back, and only beat publishes.
NOT_REACHED = {FaultPoint.WHILE_PUTTING_BACK, FaultPoint.BEFORE_PUBLISHING, FaultPoint.AFTER_PUBLISHING}
CHECKOUT = Path(__file__).parents[2]
REACH_TWICE = """
from worker.fault_points import FaultPoint, reach
reach(FaultPoint.AFTER_FETCH)
reach(FaultPoint.BEFORE_COMMIT)
reach(FaultPoint.BEFORE_COMMIT)
"""


def exit_code(**variables: str) -> int:
    """Return how a process ends that reaches a point twice."""
    done = subprocess.run(
        [sys.executable, "-c", REACH_TWICE], cwd=CHECKOUT, env={**os.environ, **variables}, check=False
    )
    return done.returncode


def test_a_point_is_off_unless_the_environment_arms_one():
    """The function that is bound then is empty, and no listener sees a statement."""
    assert fault_points.reach is fault_points._pass  # noqa: SLF001 - the function that does nothing
    assert armed({VARIABLE: ""}) is fault_points._pass  # noqa: SLF001 - the same
    engine = create_engine("postgresql+psycopg://")
    watch_statements(engine)
    assert not engine.dispatch.after_cursor_execute


@pytest.mark.parametrize(
    "value", ["before-commit", "before-commit:kill", "nowhere:kill:1", "after-lock:hug:1", "after-lock:kill:0"]
)
def test_a_value_that_cannot_be_read_is_refused(value: str):
    """A misspelt point would make a run prove nothing."""
    with pytest.raises(ValueError, match="POINT:ACTION:NUMBER"):
        armed({VARIABLE: value})


def test_a_raised_fault_is_a_lost_connection():
    """At every second time, and at no other point."""
    reach = armed({VARIABLE: "after-lock:raise:2"})
    reach(FaultPoint.AFTER_LOCK)
    reach(FaultPoint.AFTER_WRITE)
    with pytest.raises(InjectedFault, match="injected at after-lock") as raised:
        reach(FaultPoint.AFTER_LOCK)
    assert isinstance(raised.value, OperationalError)
    assert isinstance(raised.value, ConnectionError)
    reach(FaultPoint.AFTER_LOCK)


def test_a_process_is_killed_at_its_point():
    """At the first point it is not: only the second is armed."""
    assert exit_code(**{VARIABLE: "before-commit:kill:2"}) == -signal.SIGKILL


def test_the_file_counts_across_processes(tmp_path: Path):
    """Each process reaches the point twice, so every second process is killed, at the fourth time."""
    variables = {VARIABLE: "before-commit:kill:4", COUNTER: str(tmp_path / "counter")}
    codes = [exit_code(**variables) for _ in range(4)]
    assert codes == [0, -signal.SIGKILL, 0, -signal.SIGKILL]


@pytest.mark.scale
@pytest.mark.parametrize("point", [each for each in FaultPoint if each not in NOT_REACHED])
def test_a_redemption_reaches_each_point(database: dict[str, str], tmp_path: Path, point: FaultPoint):
    """A run under faults would skip a point that nothing reaches."""
    counter = tmp_path / "counter"
    armed_here = {VARIABLE: f"{point}:raise:1000000", COUNTER: str(counter)}
    variables = with_redis(database, number=WATCHED) | armed_here
    with Worker(folder=tmp_path / "worker", environment=variables) as worker, Client(variables) as client:
        worker.wait_ready()
        client.ask("redemptions.redeem", redemption(voucher=created_voucher(client)))
        worker.wait_until_acknowledged()
    assert int(counter.read_text()) > 0
