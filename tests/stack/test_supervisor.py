"""The supervisor, without a stack around it."""

import os
import signal
import sys
from pathlib import Path

import pytest

from scrip.stack import supervisor
from scrip.stack.process import StackProcess
from scrip.stack.stop_signals import StopSignals
from scrip.stack.supervisor import Supervisor
from tests.support.waiting import eventually


def test_deaths_that_lie_further_apart_than_a_minute_are_no_reason_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three deaths within a minute are a reason. Here the minute lasts no time at all."""
    assert supervisor.DEATHS_SECONDS == 60
    monkeypatch.setattr(supervisor, "DEATHS_SECONDS", 0)
    (tmp_path / "logs").mkdir()
    command = (sys.executable, "-c", "import time; time.sleep(1_000)")
    process = StackProcess(
        name="unlucky", data_folder=tmp_path, command=command, environment=dict(os.environ), folder=tmp_path
    )
    said: list[str] = []
    supervised = Supervisor(announce=said.append, pause=StopSignals().pause)
    try:
        supervised.launch(process)
        for _ in range(supervisor.DEATHS_MAX + 1):
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            eventually(lambda: process.exit_code() is not None)
            supervised.check()
    finally:
        supervised.stop()
    assert said == ["unlucky died (exit code -9), restarted"] * 4
