"""Where a benchmark runs: real servers with their durable settings, a database of its own for each line, workers."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
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
from scrip.stack.procfile_programs import parts
from scrip.stack.stack import servers
from tasks.audit.audit import Violation, audit
from worker.database import engine
from worker.garbage_collection import configure
from worker.settings import forget_settings

CHECKOUT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
# Only a database that keeps what it has committed is measured.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# The migrated schema, from which the databases are copied.
EMPTY = "scrip_empty"
POLL_SECONDS = 0.05
# A shell's exit code for a command that a signal ended is this plus the signal's number.
EXIT_BY_SIGNAL = 128
# Celery with kombu's own transport, and what one would write without Scrip.
BASELINE = "baseline"
BASELINE_LINE = (
    "celery -A benchmarks.baseline worker --queues baseline --hostname baseline@%h --concurrency 2 --loglevel WARNING"
)


class Stage:
    """The servers of one run, and the database that this process and the workers use at the moment."""

    def __init__(self, *, home: Path, environment: Mapping[str, str], postgres: Mapping[str, str]) -> None:
        """This method will describe the stage: `environment` leads to the servers, `postgres` are its settings."""
        self.home = home
        self.postgres = postgres
        self.environment = dict(environment)
        self.admin_url = environment["DATABASE_URL"]
        self.violations: list[Violation] = []
        self._numbers = count(1)

    @contextmanager
    def database(self, *, template: str = EMPTY) -> Iterator[str]:
        """This context will be an empty database, or a copy of another one, and an empty broker.

        Afterwards it is audited; what the audit finds is added to `violations`. It yields the database's name.
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
        """This method will end the program where an audit has found something."""
        if self.violations:
            found = f"the audit found {len(self.violations)} violations: no figure counts; first: {self.violations[0]}"
            raise SystemExit(found)

    def use(self, name: str) -> None:
        """This method will have this process, and workers that start from now on, use that database."""
        if engine.cache_info().currsize:
            engine().dispose()
        self.environment["DATABASE_URL"] = self.url_of(name)
        os.environ.update(self.environment)
        forget_settings()
        engine.cache_clear()

    def url_of(self, name: str) -> str:
        """This method will return the URL of one of the server's databases."""
        return urlsplit(self.admin_url)._replace(path=f"/{name}").geturl()

    def copy(self, template: str, *, to: str) -> None:
        """This method will copy a database, file by file, so that each copy is alike on the disk too."""
        self._administer(SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"), to, template)

    def drop(self, name: str) -> None:
        """This method will drop a database, whoever is still connected to it."""
        self._administer(SQL("DROP DATABASE {} WITH (FORCE)"), name)

    def rename(self, name: str, *, to: str) -> None:
        """This method will rename a database."""
        self._administer(SQL("ALTER DATABASE {} RENAME TO {}"), name, to)

    def _administer(self, statement: SQL, *names: str) -> None:
        if engine.cache_info().currsize:
            # A template must have nobody connected to it.
            engine().dispose()
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement.format(*map(Identifier, names)))

    def checkpoint(self) -> None:
        """This method will have the server write all that is changed in its memory."""
        self._administer(SQL("CHECKPOINT"))

    def migrate(self) -> None:
        """This method will make the database that the others are copied from."""
        self._administer(SQL("CREATE DATABASE {}"), EMPTY)
        self.use(EMPTY)
        subprocess.run([PROGRAMS / "alembic", "upgrade", "head"], cwd=CHECKOUT, check=True, capture_output=True)

    def durability(self) -> dict[str, str]:
        """This method will return the servers' settings, or end the program where what was committed is not kept."""
        wanted = {**DURABLE, **self.postgres}
        with psycopg.connect(self.admin_url) as connection:
            found = {name: str(connection.execute(f"SHOW {name}").fetchall()[0][0]) for name in wanted}
        if found != wanted:
            raise SystemExit(f"Postgres is not durable, or not as it should be, so nothing is measured: {found}")
        with Redis.from_url(self.environment["REDIS_URL"], decode_responses=True) as redis:
            return {**found, **redis.config_get("append[of]*")}

    @contextmanager
    def workers(self, *names: str) -> Iterator[list[StackProcess]]:
        """This context will run those lines of the Procfile, or the baseline, on the current database."""
        lines = dict(read_procfile(PROCFILE)) | {BASELINE: BASELINE_LINE.split()}
        path = os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)])
        environment = {**os.environ, **self.environment, "PATH": path, "PYTHONUNBUFFERED": "1"}
        started = parts({name: lines[name] for name in names}, home=self.home, environment=environment, folder=CHECKOUT)
        with ExitStack() as opened:
            for each in started:
                opened.callback(each.stop)
                each.spawn()
            for each in started:
                each.wait_ready(partial(time.sleep, POLL_SECONDS))
            yield started
            for each in started:
                each.ask_to_stop()


@contextmanager
def stage(*, postgres: Mapping[str, str] = MappingProxyType({})) -> Iterator[Stage]:
    """This context will run the servers, on data of their own that are gone afterwards, also on SIGTERM.

    `postgres` are settings that differ from its own.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(EXIT_BY_SIGNAL + number))
    with tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder:
        home = Path(folder) / "home"
        if postgres:
            # Some are read at the start only.
            with servers(home) as environment:
                _set(environment["DATABASE_URL"], postgres)
        with servers(home) as environment:
            made = Stage(home=home, environment=environment, postgres=postgres)
            made.durability()
            made.migrate()
            # As a worker's child does.
            configure()
            try:
                yield made
            finally:
                engine().dispose()


def _set(url: str, postgres: Mapping[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in postgres.items():
            connection.execute(SQL("ALTER SYSTEM SET {} = {}").format(Identifier(name), Literal(value)))
