"""Short runs under faults with a fixed seed: every request is answered, once, and nothing else has happened."""

from pathlib import Path

import pytest

from tests.faults import run
from tests.faults.finding import Finding
from tests.faults.kinds import FAULTS
from tests.faults.run import Recovery, run_faults
from tests.faults.system import System
from tests.support.waiting import eventually

SEED = 20_261_128
# For the control: longer than a message that was not lost takes.
LOST_SECONDS = 25
# In `make test-slow`. `make faults` draws from all faults.
SHORT = ("commit-reset-after", "child-killed", "postgres-restarted", "commit-reset-before", "messages-duplicated")


@pytest.mark.slow
def test_a_short_run_loses_nothing(tmp_path: Path) -> None:
    """One fault of each kind that takes a second or two."""
    report = run_faults(tmp_path, seed=SEED, faults=SHORT)
    assert [*report.findings, *report.violations] == [], "\n".join(report.lines())
    assert len(report.recoveries) == len(SHORT)
    assert report.requests > 100


def lose_a_message(system: System) -> None:
    """Take a message out of a queue before a worker fetches it, as a broker does that loses data."""
    for each in system.workers:
        each.freeze()
    client = system.servers.valkey.client
    eventually(lambda: client.rpop("redemptions"))
    for each in system.workers:
        each.thaw()


@pytest.mark.scale
def test_a_lost_message_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without a finding here, the runs above prove nothing."""
    monkeypatch.setitem(FAULTS, "message-lost", lose_a_message)
    monkeypatch.setattr(run, "LOST_SECONDS", LOST_SECONDS)
    report = run_faults(tmp_path, seed=SEED, faults=["message-lost"])
    assert report.recoveries == [Recovery(fault="message-lost", seconds=None)]
    assert "no answer" in {each.check for each in report.findings if isinstance(each, Finding)}


@pytest.mark.scale
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_loses_nothing(fault: str, tmp_path: Path) -> None:
    """Twice, because the second meets what the first has left."""
    report = run_faults(tmp_path, seed=SEED, faults=[fault] * 2)
    assert [*report.findings, *report.violations] == [], "\n".join(report.lines())
    if not report.recoveries:
        pytest.skip(f"{fault} could not be injected")
