"""The servers of a run, each behind a proxy, with the operations that the faults need.

tests/other_servers has more of them.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar

import psutil
from redis import Redis

from scrip.stack.data_folder import locked_data_folder
from scrip.stack.postgres_server import Postgres
from tests.broker.durable_valkey import DurableValkey
from tests.faults.sending import Sender
from tests.support.proxy import Proxy
from tests.support.schema import migrate
from tests.support.waiting import eventually, pause

ANSWER_SECONDS_MAX = 2


class Server:
    """A server behind a proxy. `direct_url` leads past the proxy, for the harness itself."""

    def __init__(self, url: str) -> None:
        """Put a proxy in front of the server at the URL."""
        self.direct_url = url
        self.proxy = Proxy(url)
        self.url = self.proxy.url

    @property
    def variables(self) -> dict[str, str]:
        """The variables of programs that use the server through its proxy."""
        raise NotImplementedError

    @property
    def proxies(self) -> Sequence[Proxy]:
        """All proxies between the programs and the server."""
        return [self.proxy]

    def start(self) -> None:
        """Start the server with the data that it had, and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the server as an operator does."""
        raise NotImplementedError

    def kill(self) -> None:
        """End the server without a warning to its clients. What it has confirmed is not lost."""
        raise NotImplementedError

    def processes(self) -> list[psutil.Process]:
        """Return the server's processes."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Stop the processes of the server: its connections stay open, and nobody answers."""
        for each in self.processes():
            each.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the processes go on."""
        for each in self.processes():
            each.send_signal(signal.SIGCONT)


class PostgresServer(Server):
    """A Postgres server with the tables of Scrip."""

    def __init__(self, data_folder: Path, *, kind: type[Postgres] = Postgres) -> None:
        """Create the server, start it, and create the tables. Programs connect as the worker's role."""
        self.process = kind(data_folder=data_folder, environment=os.environ)
        self.process.create(pause)
        self.start()
        migrate(self.process.role_urls)
        super().__init__(self.process.role_urls["DATABASE_URL"])
        self.workers_url, self.direct_url = self.direct_url, self.process.url

    @property
    def variables(self) -> dict[str, str]:
        """The variable of the database."""
        return {"DATABASE_URL": self.url}

    def start(self) -> None:
        """Start the server, which recovers by the write-ahead log."""
        self.process.spawn()
        self.process.wait_ready(pause)

    def stop(self) -> None:
        """Stop the server fast: transactions are rolled back."""
        self.process.stop()

    def kill(self) -> None:
        """Stop the server `immediate`: no checkpoint, as after a crash."""
        self.processes()[0].send_signal(signal.SIGQUIT)
        eventually(lambda: self.process.exit_code() is not None)
        self.process.kill()

    def processes(self) -> list[psutil.Process]:
        """Return the postmaster, and then the backends."""
        postmaster = psutil.Process(int((self.process.cluster / "postmaster.pid").read_text().splitlines()[0]))
        return [postmaster, *postmaster.children(recursive=True)]


class BrokerServer(Server):
    """A broker, with the result store if it is another server."""

    # Whether a confirmed message may be lost when the server is killed.
    may_lose: ClassVar[bool] = False

    def sender(self, *, seed: int) -> Sender:
        """Return a sender of messages, which reads the results too. The seed decides the order of duplicates."""
        raise NotImplementedError


class ValkeyServer(BrokerServer):
    """A Valkey server whose append-only file has every write that was confirmed."""

    def __init__(self, data_folder: Path) -> None:
        """Create the server and start it."""
        self.server = DurableValkey(data_folder)
        self.start()
        super().__init__(self.server.url)
        self.client: Redis = Redis.from_url(
            self.direct_url, decode_responses=True, socket_timeout=ANSWER_SECONDS_MAX, retry=None
        )

    @property
    def variables(self) -> dict[str, str]:
        """The variable of broker and result store."""
        return {"REDIS_URL": self.url}

    def sender(self, *, seed: int) -> Sender:
        """Return a sender that writes into the queues itself."""
        return Sender(self.client, seed=seed)

    def start(self) -> None:
        """Start the server on its append-only file."""
        self.server.start()

    def stop(self) -> None:
        """Stop the server."""
        self.server.stop()

    def kill(self) -> None:
        """Kill the server."""
        self.server.kill()

    def processes(self) -> list[psutil.Process]:
        """Return the only process."""
        return [psutil.Process(self.server.process.pid)]

    @contextmanager
    def without_space(self) -> Iterator[Callable[[], bool]]:
        """Let every snapshot fail, as with a full disk. Yield a function that tells whether Valkey refuses writes."""
        in_the_way = self.server.process.folder / "dump.rdb"
        in_the_way.unlink(missing_ok=True)
        (in_the_way / "occupied").mkdir(parents=True)
        self.client.config_set("save", "1 1")
        try:
            yield lambda: self.client.info()["rdb_last_bgsave_status"] == "err"
        finally:
            shutil.rmtree(in_the_way)
            self.client.config_set("save", "")
            self.client.config_set("stop-writes-on-bgsave-error", "no")
            eventually(lambda: self.client.info()["rdb_bgsave_in_progress"] == 0)
            self.client.config_set("stop-writes-on-bgsave-error", "yes")
            self.client.bgsave()


class Servers:
    """The database and the broker of a run."""

    def __init__(self, *, postgres: PostgresServer, broker: BrokerServer) -> None:
        self.postgres, self.broker = postgres, broker

    @property
    def valkey(self) -> ValkeyServer:
        """The broker, for faults that only Valkey has."""
        assert isinstance(self.broker, ValkeyServer)
        return self.broker

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the programs, whose connections go through the proxies."""
        return {**self.postgres.variables, **self.broker.variables}

    @property
    def proxies(self) -> list[Proxy]:
        """The proxies of all servers."""
        return [*self.postgres.proxies, *self.broker.proxies]

    def thaw(self) -> None:
        """Let all servers go on, so that they can be stopped."""
        self.postgres.thaw()
        self.broker.thaw()


OpenServers = Callable[[Path], AbstractContextManager[Servers]]


@contextmanager
def running_postgres(
    data_folder: Path, *, create: Callable[[Path], PostgresServer] = PostgresServer
) -> Iterator[PostgresServer]:
    """Create a Postgres server with its data in the folder, and run it."""
    with locked_data_folder(data_folder):
        postgres = create(data_folder)
        try:
            with postgres.proxy:
                yield postgres
        finally:
            postgres.stop()


@contextmanager
def running_valkey(data_folder: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey server with its data in the folder."""
    valkey = ValkeyServer(data_folder)
    try:
        with valkey.proxy, valkey.client:
            yield valkey
    finally:
        valkey.stop()


@contextmanager
def running_servers(data_folder: Path) -> Iterator[Servers]:
    """Run both servers with their data in the folder."""
    with running_postgres(data_folder) as postgres, running_valkey(data_folder) as valkey:
        yield Servers(postgres=postgres, broker=valkey)
