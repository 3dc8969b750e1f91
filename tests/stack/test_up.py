"""`scrip up` with small Procfiles: output, the file `env`, restarts, and two stacks at once."""

import re
import signal
import stat
from pathlib import Path

import psycopg
import pytest

from tests.stack.running import DEADLINE_SECONDS, Up, listens, program, write_procfile
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


def test_it_says_what_it_does_and_then_ready(used_data_folder: Path, idle_procfile: Path) -> None:
    """Scripts wait for the line `ready`. People read the others."""
    with Up(used_data_folder, idle_procfile) as up:
        up.wait_ready()
        assert up.end(signal.SIGTERM) == 0
        assert up.output.splitlines() == ["starting postgres and valkey", "starting idle", "ready", "stopping"]


def test_the_env_file_leads_to_the_servers_and_is_for_its_owner_alone(
    used_data_folder: Path, idle_procfile: Path
) -> None:
    """The file holds passwords, and exists from `ready` on as long as the stack runs."""
    with Up(used_data_folder, idle_procfile) as up:
        up.wait_ready()
        assert stat.S_IMODE((used_data_folder / "env").stat().st_mode) == 0o600
        with psycopg.connect(up.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert up.end(signal.SIGTERM) == 0
        assert not (used_data_folder / "env").exists()


def test_two_stacks_run_side_by_side(used_data_folder: Path, idle_procfile: Path, tmp_path: Path) -> None:
    """Stopping a stack leaves the other stack alone."""
    with Up(used_data_folder, idle_procfile) as first, Up(tmp_path / "home", idle_procfile) as second:
        first.wait_ready()
        second.wait_ready()
        assert second.end(signal.SIGTERM) == 0
        assert listens(first.environment["DATABASE_URL"])
        assert listens(first.environment["REDIS_URL"])
        assert first.end(signal.SIGTERM) == 0


def test_what_dies_is_restarted_with_a_line_that_says_so(used_data_folder: Path, idle_procfile: Path) -> None:
    """The servers are restarted too, at the same URLs. A single death of each is no reason to give up."""
    with Up(used_data_folder, idle_procfile) as up:
        before = up.wait_ready().environment
        for name, word in (("idle", "idle.py"), ("valkey", "valkey-server"), ("postgres", "postgres")):
            up.child(word).kill()
            up.wait_for(f"{name} died (exit code -9), restarted")
        eventually(lambda: listens(before["REDIS_URL"]), seconds=DEADLINE_SECONDS)
        eventually(lambda: answers(before["DATABASE_URL"]), seconds=DEADLINE_SECONDS)
        assert up.environment == before
        assert up.end(signal.SIGTERM) == 0
        assert not up.left()


def answers(url: str) -> bool:
    """Return whether Postgres accepts a connection."""
    try:
        with psycopg.connect(url):
            return True
    except psycopg.OperationalError:
        return False


def test_the_callers_variables_do_not_lead_the_programs_elsewhere(used_data_folder: Path, tmp_path: Path) -> None:
    """The stack's own variables win over the caller's. The caller's SCRIP_ settings are passed on."""
    show = program(tmp_path, "show", "import json, os", "print(json.dumps(dict(os.environ)))")
    names = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL", "CELERY_BROKER_URL", "FLOWER_PORT")
    foreign = {**dict.fromkeys(names, "foreign.invalid"), "PGHOST": "foreign.invalid", "SCRIP_WORKER_CONCURRENCY": "3"}
    with Up(used_data_folder, write_procfile(tmp_path, f"release: {show}"), variables=foreign) as up:
        up.wait_ready()
        shown = (used_data_folder / "logs" / "release.log").read_text().splitlines()[-1]
        assert "foreign.invalid" not in shown
        assert re.search('"SCRIP_WORKER_CONCURRENCY": "3"', shown)
        assert up.environment["DATABASE_URL"] in shown
        assert up.end(signal.SIGTERM) == 0
