"""Servers of a run that can be killed and started again, and two workers on the same queue."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from redis import Redis

from benchmarks.servers import EXIT_BY_SIGNAL, POLL_SECONDS, BenchmarkServers
from scrip.stack.data_folder import locked_data_folder
from scrip.stack.postgres_server import Postgres
from scrip.stack.process import StackProcess
from scrip.stack.procfile import PROCFILE, read_procfile
from scrip.stack.valkey_server import Valkey
from worker.database import engine

pause_briefly = partial(time.sleep, POLL_SECONDS)


class BreakableServers(BenchmarkServers):
    """The servers of a run, and their processes."""

    def __init__(self, *, data_folder: Path, postgres: Postgres, valkey: Valkey) -> None:
        """Keep the processes, which run."""
        environment = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        super().__init__(data_folder=data_folder, environment=environment, postgres={})
        self.postgres_process, self.valkey = postgres, valkey

    @contextmanager
    def two_workers(self, line: str) -> Iterator[list[StackProcess]]:
        """Run a line of the Procfile twice, and yield the processes."""
        words = dict(read_procfile(PROCFILE))[line]
        names = [f"{line}-{number}" for number in (1, 2)]
        with self.programs({name: [*words, "--hostname", f"{name}@%h"] for name in names}) as started:
            yield started

    def cut_connections(self) -> None:
        """Close all connections to Valkey, except that of this command."""
        with Redis.from_url(self.environment["REDIS_URL"]) as redis:
            for kind in ("normal", "pubsub"):
                redis.client_kill_filter(_type=kind, skipme=True)


@contextmanager
def breakable_servers() -> Iterator[BreakableServers]:
    """Run the servers with data that are removed afterwards, also on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(EXIT_BY_SIGNAL + number))
    with (
        tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder,
        locked_data_folder(Path(folder) / "home"),
        ExitStack() as opened,
    ):
        data_folder = Path(folder) / "home"
        postgres = Postgres(data_folder=data_folder, environment=os.environ)
        valkey = Valkey(data_folder=data_folder, environment=os.environ)
        postgres.create(pause_briefly)
        for each in (postgres, valkey):
            opened.callback(each.stop)
            each.spawn()
            each.wait_ready(pause_briefly)
        servers = BreakableServers(data_folder=data_folder, postgres=postgres, valkey=valkey)
        servers.durability()
        servers.migrate()
        opened.callback(lambda: engine().dispose())
        yield servers
