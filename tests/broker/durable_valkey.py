"""A Valkey server of a test's own, which can crash without losing data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from scrip.stack.data_folder import locked_data_folder
from scrip.stack.valkey_server import Valkey
from tests.support.waiting import pause


class DurableValkey:
    """A Valkey server that writes each change to the append-only file before answering."""

    def __init__(self, data_folder: Path) -> None:
        """Describe the server."""
        self.process = Valkey(data_folder=data_folder, environment={})

    @property
    def url(self) -> str:
        """The server's URL."""
        return self.process.url

    def start(self) -> None:
        """Start the server on the data of the append-only file."""
        self.process.spawn()
        self.process.wait_ready(pause)
        with Redis.from_url(self.url) as client:
            client.config_set("appendfsync", "always")

    def kill(self) -> None:
        """Kill the server without a warning to its clients."""
        self.process.kill()

    def stop(self) -> None:
        """Stop the server."""
        self.process.stop()


@contextmanager
def running_valkey(home: Path) -> Iterator[DurableValkey]:
    """Run a server with its data in a folder of its own."""
    with locked_data_folder(home):
        server = DurableValkey(home)
        try:
            server.start()
            yield server
        finally:
            server.stop()
