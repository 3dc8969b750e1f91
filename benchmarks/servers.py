"""The servers of a run, with durable settings: a new database for each measure, and the workers."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from redis import Redis

from scrip.stack.process import StackProcess
from scrip.stack.procfile import PROCFILE, read_procfile
from scrip.stack.procfile_programs import stack_processes
from scrip.stack.stack import servers
from tasks.audit.audit import Violation, audit
from worker.database import engine
from worker.garbage_collection import configure_garbage_collection
from worker.settings import forget_settings

CHECKOUT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
# Without these settings committed data could be lost, and the figures would mean nothing.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# The migrated schema, from which the databases are copied.
EMPTY = "scrip_empty"
POLL_SECONDS = 0.05
# A shell's exit code for a command that a signal ended is this plus the signal's number.
EXIT_BY_SIGNAL = 128
# Celery with kombu's own transport, and tasks as written without Scrip. See baseline.py.
BASELINE = "baseline"
BASELINE_LINE = (
    "celery -A benchmarks.baseline worker --queues baseline --hostname baseline@%h --concurrency 2 --loglevel WARNING"
)


class BenchmarkServers:
    """The servers of a run, and the database that this process and the workers use at the moment."""

    def __init__(self, *, data_folder: Path, environment: Mapping[str, str], postgres: Mapping[str, str]) -> None:
        """Keep the addresses of the servers in `environment`, and the settings of Postgres."""
        self.data_folder = data_folder
        self.postgres = postgres
        self.environment = dict(environment)
        self.admin_url = environment["DATABASE_URL"]
        self.violations: list[Violation] = []
        self._numbers = count(1)

    @contextmanager
    def database(self, *, template: str = EMPTY) -> Iterator[str]:
        """Use an empty database, or a copy of another one, and an empty broker. Yield the name of the database.

        The database is audited afterwards, and violations are added to `violations`.
        """
        name = f"line_{next(self._numbers)}"
        self.copy(template, to=name)
        with Redis.from_url(self.environment["REDIS_URL"]) as redis:
            redis.flushall()
        self.use(name)
        try:
            yield name
            self.violations += audit()
        finally:
            self.use(EMPTY)
            self.drop(name)

    def require_clean(self) -> None:
        """End the program if an audit has found a violation."""
        if self.violations:
            found = f"the audit found {len(self.violations)} violations: no figure counts; first: {self.violations[0]}"
            raise SystemExit(found)

    def use(self, name: str) -> None:
        """Make this process, and workers that start from now on, use that database."""
        if engine.cache_info().currsize:
            engine().dispose()
        self.environment["DATABASE_URL"] = self.url_of(name)
        os.environ.update(self.environment)
        forget_settings()
        engine.cache_clear()

    def url_of(self, name: str) -> str:
        """Return the URL of a database of the server."""
        return urlsplit(self.admin_url)._replace(path=f"/{name}").geturl()

    def copy(self, template: str, *, to: str) -> None:
        """Copy a database file by file, so that all copies have the same layout on the disk."""
        self._administer(SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"), to, template)

    def drop(self, name: str) -> None:
        """Drop a database, even if a client is still connected."""
        self._administer(SQL("DROP DATABASE {} WITH (FORCE)"), name)

    def _administer(self, statement: SQL, *names: str) -> None:
        if engine.cache_info().currsize:
            # Postgres copies a template only if no client is connected to it.
            engine().dispose()
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement.format(*map(Identifier, names)))

    def checkpoint(self) -> None:
        """Make the server write all changed pages to the disk."""
        self._administer(SQL("CHECKPOINT"))

    def migrate(self) -> None:
        """Create the database with the schema, from which the others are copied."""
        self._administer(SQL("CREATE DATABASE {}"), EMPTY)
        self.use(EMPTY)
        subprocess.run([PROGRAMS / "alembic", "upgrade", "head"], cwd=CHECKOUT, check=True, capture_output=True)

    def durability(self) -> dict[str, str]:
        """Return the servers' settings. End the program if committed data could be lost."""
        wanted = {**DURABLE, **self.postgres}
        with psycopg.connect(self.admin_url) as connection:
            found = {name: str(connection.execute(f"SHOW {name}").fetchall()[0][0]) for name in wanted}
        if found != wanted:
            raise SystemExit(f"Postgres is not durable, or not as it should be, so nothing is measured: {found}")
        with Redis.from_url(self.environment["REDIS_URL"], decode_responses=True) as redis:
            return {**found, **redis.config_get("append[of]*")}

    @contextmanager
    def workers(self, *names: str) -> Iterator[list[StackProcess]]:
        """Run those lines of the Procfile, or the baseline, on the current database, and yield their processes."""
        lines = dict(read_procfile(PROCFILE)) | {BASELINE: BASELINE_LINE.split()}
        with self.programs({name: lines[name] for name in names}) as started:
            yield started

    @contextmanager
    def programs(self, lines: Mapping[str, Sequence[str]]) -> Iterator[list[StackProcess]]:
        """Run programs on the current database, each in a process of that name, and yield the processes."""
        path = os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)])
        environment = {**os.environ, **self.environment, "PATH": path, "PYTHONUNBUFFERED": "1"}
        started = stack_processes(lines, data_folder=self.data_folder, environment=environment, folder=CHECKOUT)
        with ExitStack() as opened:
            for each in started:
                opened.callback(each.stop)
                each.spawn()
            for each in started:
                each.wait_ready(partial(time.sleep, POLL_SECONDS))
            yield started
            for each in started:
                each.ask_to_stop()


def administrators(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the administrators' addresses: each measure makes and drops a database of its own."""
    return {
        "DATABASE_URL": environment["DATABASE_ADMINISTRATOR_URL"],
        "REDIS_URL": environment["REDIS_ADMINISTRATOR_URL"],
        "SCRIP_BEAT_SCHEDULE_FILE": environment["SCRIP_BEAT_SCHEDULE_FILE"],
    }


@contextmanager
def benchmark_servers(*, postgres: Mapping[str, str] = MappingProxyType({})) -> Iterator[BenchmarkServers]:
    """Run the servers with data that are removed afterwards, also on SIGTERM.

    `postgres` has the settings that differ from the defaults.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(EXIT_BY_SIGNAL + number))
    with tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder:
        data_folder = Path(folder) / "home"
        if postgres:
            # Postgres reads some settings at the start only.
            with servers(data_folder) as environment:
                _set(environment["DATABASE_ADMINISTRATOR_URL"], postgres)
        with servers(data_folder) as environment:
            started = BenchmarkServers(
                data_folder=data_folder, environment=administrators(environment), postgres=postgres
            )
            started.durability()
            started.migrate()
            # The same garbage collection as in a worker's child.
            configure_garbage_collection()
            try:
                yield started
            finally:
                engine().dispose()


def _set(url: str, postgres: Mapping[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in postgres.items():
            connection.execute(SQL("ALTER SYSTEM SET {} = {}").format(Identifier(name), Literal(value)))
