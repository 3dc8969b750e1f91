"""A single process of the stack."""

import os
import signal
import sys
from pathlib import Path

import psutil

from scrip.stack.process import StackProcess
from tests.support.waiting import eventually


def test_a_program_that_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    """The child of the program is killed too."""
    deaf = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()"

    class Deaf(StackProcess):
        stop_signals = ((signal.SIGTERM, 0.1),)

    (tmp_path / "logs").mkdir()
    process = Deaf(
        name="deaf",
        data_folder=tmp_path,
        command=(sys.executable, "-c", f"{deaf}; print('deaf', flush=True); time.sleep(1_000)"),
        environment=dict(os.environ),
        folder=tmp_path,
    )
    process.spawn()
    eventually(lambda: process.output().count("deaf") == 2)
    process.stop()
    assert process.exit_code() == -signal.SIGKILL
    assert not [each for each in psutil.process_iter() if deaf in " ".join(cmdline(each))]


def cmdline(process: psutil.Process) -> list[str]:
    """Return the words of the process's command line, or none after the end of the process."""
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.NoSuchProcess:
        return []
