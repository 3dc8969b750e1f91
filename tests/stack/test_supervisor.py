"""Keeping parts alive, without a stack around it."""

import os
import signal
import sys
from pathlib import Path

import pytest

from scrip.stack import supervisor
from scrip.stack.process import StackProcess
from scrip.stack.stop_signals import StopSignals
from scrip.stack.supervisor import Supervisor
from tests.stack.running import eventually


def test_deaths_that_lie_further_apart_than_a_minute_are_no_reason_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three within one are: here it has no length."""
    assert supervisor.DEATHS_SECONDS == 60
    monkeypatch.setattr(supervisor, "DEATHS_SECONDS", 0)
    (tmp_path / "logs").mkdir()
    command = (sys.executable, "-c", "import time; time.sleep(1_000)")
    part = StackProcess(name="unlucky", home=tmp_path, command=command, environment=dict(os.environ), folder=tmp_path)
    said: list[str] = []
    supervised = Supervisor(announce=said.append, pause=StopSignals().pause)
    try:
        supervised.launch(part)
        for _ in range(supervisor.DEATHS_MAX + 1):
            assert part.pid
            os.kill(part.pid, signal.SIGKILL)
            eventually(lambda: part.exit_code() is not None)
            supervised.check()
    finally:
        supervised.stop()
    assert said == ["unlucky died (exit code -9), restarted"] * 4
