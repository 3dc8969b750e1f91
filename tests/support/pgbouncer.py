"""A PgBouncer of the test's own in front of a PostgreSQL server, if the program is installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import make_url

from scrip.stack.listener import free_port
from scrip.stack.unprivileged import as_unprivileged, hand_over

# PgBouncer is no Python package. Debian and other systems have it as the package `pgbouncer`.
PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
MISSING = "pgbouncer is not installed: the package `pgbouncer` of the system has it"
LOOPBACK = "127.0.0.1"
# Only a broken program takes this long, even on a slow machine.
DEADLINE_SECONDS = 60
POLL_SECONDS = 0.01


@contextmanager
def pgbouncer(folder: Path, *, url: str, **settings: str | int) -> Iterator[str]:
    """Run PgBouncer with those settings in front of the server of a URL, and yield its own URL.

    `folder` must exist and be empty. As root, PgBouncer runs as another user, since it refuses to run as root.
    """
    assert PROGRAM, MISSING
    port = free_port()
    configuration = _configuration(folder, url=url, settings={"listen_port": port, **settings})
    hand_over(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*as_unprivileged(), PROGRAM, configuration], stdout=log, stderr=log)
    try:
        _wait_until_it_listens(process, port=port, log=folder / "log")
        yield make_url(url).set(host=LOOPBACK, port=port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait()


def _configuration(folder: Path, *, url: str, settings: dict[str, str | int]) -> Path:
    server = make_url(url)
    users = folder / "users.txt"
    users.write_text(f'"{server.username}" "{server.password}"\n')
    lines = {
        "listen_addr": LOOPBACK,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": users,
        "pool_mode": "transaction",
        **settings,
    }
    path = folder / "pgbouncer.ini"
    text = "\n".join(f"{name} = {value}" for name, value in lines.items())
    path.write_text(f"[databases]\n* = host={server.host} port={server.port}\n[pgbouncer]\n{text}\n")
    return path


def _wait_until_it_listens(process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection((LOOPBACK, port)):
            return
        time.sleep(POLL_SECONDS)
    raise AssertionError(log.read_text())
