"""A PgBouncer of the test's own in front of a PostgreSQL server."""

from pathlib import Path

from sqlalchemy import make_url

from scrip.stack.listener import LOOPBACK, free_port
from scrip.stack.unprivileged import as_unprivileged, hand_over
from tests.other_servers.server_program import ServerProgram, installed


class PgBouncer(ServerProgram):
    """Debian's PgBouncer in transaction mode. As root, it runs as another user, since it refuses to run as root."""

    def __init__(self, folder: Path, *, url: str, **settings: str | int) -> None:
        """Describe the pooler of the server at a URL. The settings are those of pgbouncer.ini."""
        port = free_port()
        super().__init__(
            folder, command=(installed("pgbouncer", package="pgbouncer"), str(folder / "pgbouncer.ini")), port=port
        )
        server = make_url(url)
        self.url = server.set(host=LOOPBACK, port=port).render_as_string(hide_password=False)
        users = folder / "users.txt"
        users.write_text(f'"{server.username}" "{server.password}"\n')
        lines = {
            "listen_addr": LOOPBACK,
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": "transaction",
            **settings,
        }
        text = "\n".join(f"{name} = {value}" for name, value in lines.items())
        database = f"[databases]\n* = host={server.host} port={server.port}\n"
        (folder / "pgbouncer.ini").write_text(f"{database}[pgbouncer]\n{text}\n")
        hand_over(folder)
        self.prefix = as_unprivileged()
