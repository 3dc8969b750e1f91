"""The end of `scrip up`: stop signals, SIGKILL, and leftovers."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.stack.running import (
    DEADLINE_SECONDS,
    SAMPLE_CHECKOUT,
    Up,
    idle,
    listens,
    program,
    write_procfile,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_leaves_nothing_behind(
    used_data_folder: Path, idle_procfile: Path, number: signal.Signals
) -> None:
    """No process, no open port, and no `env` file is left."""
    with Up(used_data_folder, idle_procfile) as up:
        urls = [up.wait_ready().environment[name] for name in ("DATABASE_URL", "REDIS_URL")]
        assert all(listens(url) for url in urls)
        assert up.end(number) == 0
        assert not up.left()
        assert not any(listens(url) for url in urls)
        assert not (used_data_folder / "env").exists()


def test_under_nohup_a_terminal_that_closes_stops_nothing(used_data_folder: Path, idle_procfile: Path) -> None:
    """With `nohup` the user wants the stack to go on."""
    with Up(used_data_folder, idle_procfile, prefix=["nohup"]) as up:
        up.wait_ready().process.send_signal(signal.SIGHUP)
        # A restart shows that the stack has also looked for stop signals since.
        up.child("idle.py").kill()
        up.wait_for("idle died (exit code -9), restarted")
        assert up.end(signal.SIGTERM) == 0


def test_killed_it_takes_everything_with_it_and_can_be_started_again(tmp_path: Path) -> None:
    """SIGKILL cannot be handled. The kernel ends the processes, including the children of a Celery worker."""
    data_folder = tmp_path / "home"
    with Up(data_folder, SAMPLE_CHECKOUT / "Procfile") as up:
        up.wait_ready()
        assert "migrated" in (data_folder / "logs" / "release.log").read_text()
        workers = [each for each in up.processes() if "celery" in " ".join(each.cmdline())]
        assert len(workers) == 3
        assert up.end(signal.SIGKILL) == -signal.SIGKILL
        eventually(lambda: not up.left())
    assert (data_folder / "env").exists()
    stale = (data_folder / "env").read_text()
    with Up(data_folder, write_procfile(tmp_path, f"idle: {idle(tmp_path)}")) as up:
        assert (up.wait_ready().data_folder / "env").read_text() != stale


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_programs_put_into_the_temporary_folder_does_not_pile_up(
    used_data_folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """A killed Celery worker leaves a folder there."""
    mess = program(tmp_path, "mess", "import signal, tempfile", "print(tempfile.mkdtemp())", "signal.pause()")
    log = used_data_folder / "logs" / "mess.log"
    log.unlink(missing_ok=True)
    with Up(used_data_folder, write_procfile(tmp_path, f"mess: {mess}")) as up:
        up.wait_ready().processes()
        eventually(lambda: log.read_text().endswith("\n"))
        assert Path(log.read_text().strip()).is_dir()
        up.end(number)
        eventually(lambda: not up.left())
    # A killed stack has no time to remove the folder.
    assert (used_data_folder / "scrip-tmp").exists() == (number is signal.SIGKILL)
    with Up(used_data_folder, write_procfile(tmp_path, f"idle: {idle(tmp_path)}")) as up:
        up.wait_ready()
        assert not Path(log.read_text().strip()).exists()


def test_a_temporary_folder_that_is_gone_hides_nothing(used_data_folder: Path, tmp_path: Path) -> None:
    """The stack ends with exit code 0, as with the folder."""
    with Up(used_data_folder, write_procfile(tmp_path, f"idle: {idle(tmp_path)}")) as up:
        up.wait_ready()
        (used_data_folder / "scrip-tmp").rmdir()
        assert up.end(signal.SIGTERM) == 0


MOMENTS: dict[str, Callable[[Up], bool]] = {
    "at once": lambda up: (up.data_folder / "lock").exists(),
    "while the data folder is made": lambda up: (up.data_folder / "postgres.new" / "base").exists(),
    "while the servers start": lambda up: (up.data_folder / "postgres" / "postmaster.pid").exists(),
    "while the migrations run": lambda up: (up.data_folder / "logs" / "release.log").exists(),
    "while the programs start": lambda up: "starting idle" in up.output,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_signal_during_the_start_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    """The exit code is the signal's before the stack is ready, and 0 afterwards."""
    procfile = write_procfile(
        tmp_path,
        f"release: {program(tmp_path, 'release', 'import time', 'time.sleep(0.5)')}",
        f"idle: {idle(tmp_path)}",
    )
    with Up(tmp_path / "home", procfile) as up:
        eventually(lambda: MOMENTS[moment](up))
        code = up.end(signal.SIGTERM)
        assert code == 0 if "ready" in up.output else code == 128 + signal.SIGTERM
        assert not up.left()
        assert "Traceback" not in up.output
        assert not (up.data_folder / "env").exists()


def test_more_signals_while_it_stops_change_nothing(used_data_folder: Path, tmp_path: Path) -> None:
    """A repeated Ctrl-C must not leave a database running."""
    slow = program(
        tmp_path,
        "slow",
        "import signal, sys, time",
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit()))",
        "print('waiting')",
        "signal.pause()",
    )
    with Up(used_data_folder, write_procfile(tmp_path, f"slow: {slow}")) as up:
        up.wait_ready().processes()
        eventually(lambda: (used_data_folder / "logs" / "slow.log").read_text() == "waiting\n")
        up.process.send_signal(signal.SIGINT)
        up.wait_for("stopping")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            up.process.send_signal(number)
        assert up.process.wait(DEADLINE_SECONDS) == 0
        assert not up.left()
        assert not (used_data_folder / "env").exists()


def test_the_servers_are_there_until_the_last_program_has_ended(used_data_folder: Path, tmp_path: Path) -> None:
    """A worker that finishes a task needs the servers to commit and to acknowledge."""
    late = program(
        tmp_path,
        "late",
        "import os, signal, socket, time, urllib.parse",
        "def finish(*_):",
        "    time.sleep(0.3)",
        "    for name in ('DATABASE_URL', 'REDIS_URL'):",
        "        url = urllib.parse.urlsplit(os.environ[name])",
        "        socket.create_connection((url.hostname, url.port)).close()",
        "    raise SystemExit(print('finished'))",
        "signal.signal(signal.SIGTERM, finish)",
        "print('waiting')",
        "signal.pause()",
    )
    log = used_data_folder / "logs" / "late.log"
    with Up(used_data_folder, write_procfile(tmp_path, f"late: {late}")) as up:
        up.wait_ready()
        eventually(lambda: log.read_text() == "waiting\n")
        assert up.end(signal.SIGTERM) == 0
        assert log.read_text() == "waiting\nfinished\n"


def test_the_programs_are_out_of_reach_of_ctrl_c_at_the_terminal(used_data_folder: Path, idle_procfile: Path) -> None:
    """Ctrl-C goes to the terminal's foreground group. Only the supervisor may get the signal, to stop in order."""
    with Up(used_data_folder, idle_procfile) as up:
        up.wait_ready()
        own = os.getsid(up.process.pid)
        processes = psutil.Process(up.process.pid).children()
        assert len(processes) == 3
        assert own not in {os.getsid(process.pid) for process in processes}
        assert up.end(signal.SIGTERM) == 0
