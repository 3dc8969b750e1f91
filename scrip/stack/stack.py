"""The embedded stack: Postgres, Valkey, the migrations and every program of the Procfile, with one data folder.

The stack is for development, tests and demonstrations. Everything listens on the loopback interface only, behind
generated passwords, and ends with the process that started it.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from scrip.stack import valkey_users
from scrip.stack.data_folder import DataFolderUnusable, locked_data_folder, temporary_folder, write_environment
from scrip.stack.postgres_server import Postgres
from scrip.stack.process import StackProcess, StackProcessFailed
from scrip.stack.procfile import PROCFILE, RELEASE, ProcfileInvalid, read_procfile
from scrip.stack.procfile_programs import Flower, Metrics, stack_processes, subcommand
from scrip.stack.stop_signals import StopRequested, StopSignals
from scrip.stack.supervisor import Supervisor
from scrip.stack.valkey_server import Valkey

# The variables of Scrip, libpq, Celery and Flower that would lead the stack's programs to the caller's own servers.
FOREIGN_VARIABLES = {"REDIS_URL", "PRODUCER_REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL", "SCRIP_BEAT_SCHEDULE_FILE"}
FOREIGN_PREFIXES = ("PG", "DATABASE_", "CELERY_", "FLOWER_", "SCRIP_METRICS_")

# Errors with a message for the command line.
STACK_ERRORS = (StackProcessFailed, DataFolderUnusable, ProcfileInvalid, OSError)


@contextmanager
def servers(data_folder: Path) -> Iterator[dict[str, str]]:
    """Run Postgres and Valkey alone, and yield the variables with their addresses, Postgres's superuser included.

    For tests and benchmarks. The data stay in the folder for the next time. Call this from the main thread: on Linux,
    the kernel ends a process with the thread that started it. A server that dies is not restarted.

    Raises StackProcessFailed if a server cannot start, and DataFolderUnusable if the folder cannot be used.
    """
    data_folder = data_folder.absolute()
    with locked_data_folder(data_folder), ExitStack() as opened:
        with StopSignals() as signals:
            supervisor = Supervisor(announce=_in_silence, pause=signals.pause)
            opened.callback(_stop_undisturbed, supervisor)
            postgres, valkey = _launch_servers(supervisor, data_folder=data_folder, pause=signals.pause)
            signals.check()
        administrators = {"DATABASE_ADMINISTRATOR_URL": postgres.url, "REDIS_ADMINISTRATOR_URL": valkey.url}
        yield {**_addresses(postgres, valkey), **administrators}


def _in_silence(_line: str) -> None:
    """Announce nothing: nothing is restarted here."""


def _stop_undisturbed(supervisor: Supervisor) -> None:
    with StopSignals():
        supervisor.stop()


def _launch_servers(supervisor: Supervisor, *, data_folder: Path, pause: Callable[[], None]) -> tuple[Postgres, Valkey]:
    environment = _inherited()
    postgres = Postgres(data_folder=data_folder, environment=environment)
    valkey = Valkey(data_folder=data_folder, environment=environment)
    postgres.create(pause)
    supervisor.launch(postgres, valkey)
    return postgres, valkey


def _addresses(postgres: Postgres, valkey: Valkey) -> dict[str, str]:
    """Return the variables that worker/settings.py reads, and the address for callers."""
    return {
        **postgres.role_urls,
        "REDIS_URL": valkey.url_of(valkey_users.WORKER),
        "PRODUCER_REDIS_URL": valkey.url_of(valkey_users.PRODUCER),
        "SCRIP_BEAT_SCHEDULE_FILE": str(postgres.data_folder / "celerybeat-schedule"),
    }


def _inherited() -> dict[str, str]:
    """Return the caller's variables without those that lead to other servers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_VARIABLES and not name.startswith(FOREIGN_PREFIXES)
    }
    # `celery` and `alembic` must be those of this installation.
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    # With buffered output, a killed program would lose the last lines.
    kept["PYTHONUNBUFFERED"] = "1"
    return kept


class Stack:
    """The whole stack, as a context manager: everything is ready on entry and gone on exit.

        with Stack(Path(".scrip"), announce=print) as stack:
            stack.supervise()                   # until SIGINT, SIGTERM or SIGHUP

    To do other work in between:

        with Stack(Path(".scrip"), announce=print) as stack:
            os.environ.update(stack.environment)
            while not done():
                stack.check()                   # a few times a second: restarts dead processes

    While the context is open, a stop signal interrupts nothing. The next `check` raises StopRequested, a
    KeyboardInterrupt, and leaving the context stops everything. The stack has no threads; use the main thread.
    """

    def __init__(self, data_folder: Path, announce: Callable[[str], None], *, procfile: Path = PROCFILE) -> None:
        """Remember the data folder, the function that shows a line, and the Procfile."""
        self.data_folder = data_folder.absolute()
        # The variables of the file `env`: those of `_addresses`, FLOWER_URL and METRICS_URL.
        self.environment: dict[str, str] = {}
        self._announce = announce
        self._procfile = procfile.absolute()
        self._signals = StopSignals()
        self._supervisor = Supervisor(announce=announce, pause=self._signals.pause)
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """Start everything. If that fails, nothing is left running.

        Raises StackProcessFailed, DataFolderUnusable, ProcfileInvalid, OSError or StopRequested.
        """
        with ExitStack() as opened:
            opened.enter_context(self._signals)
            opened.enter_context(locked_data_folder(self.data_folder))
            opened.callback(self._supervisor.stop)
            opened.callback((self.data_folder / "env").unlink, missing_ok=True)
            self._start()
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._opened:
            self._announce("stopping")

    def _start(self) -> None:
        programs = dict(read_procfile(self._procfile))
        release = programs.pop(RELEASE, None)
        self._announce("starting postgres and valkey")
        postgres, self._valkey = _launch_servers(
            self._supervisor, data_folder=self.data_folder, pause=self._signals.pause
        )
        self.environment = _addresses(postgres, self._valkey)
        if release:
            self._announce(f"running {RELEASE}")
            for process in self._processes({RELEASE: release}, hidden=set()):
                process.run(self._signals.pause)
        self._announce(f"starting {', '.join(programs)}")
        started = self._processes(programs, hidden={"DATABASE_OWNER_URL", "PRODUCER_REDIS_URL"})
        self._supervisor.launch(*started)
        self._say_ready(started)

    def _processes(self, programs: Mapping[str, Sequence[str]], *, hidden: Collection[str]) -> list[StackProcess]:
        """Return the processes. Each connects to the broker as the user of its kind."""
        shared = {
            **_inherited(),
            "TMPDIR": str(temporary_folder(self.data_folder)),
            "SCRIP_METRICS_FOLDER": str(self.data_folder / "metrics"),
            **{name: value for name, value in self.environment.items() if name not in hidden},
        }
        made = []
        for name, words in programs.items():
            user = valkey_users.OF_SUBCOMMAND.get(subcommand(words), valkey_users.WORKER)
            environment = {**shared, "REDIS_URL": self._valkey.url_of(user)}
            made += stack_processes(
                {name: words}, data_folder=self.data_folder, environment=environment, folder=self._procfile.parent
            )
        return made

    def _say_ready(self, started: Sequence[StackProcess]) -> None:
        flowers = [process for process in started if isinstance(process, Flower)]
        exporters = [process for process in started if isinstance(process, Metrics)]
        for flower in flowers:
            self.environment["FLOWER_URL"] = flower.url
        for exporter in exporters:
            self.environment["METRICS_URL"] = exporter.url
        self._signals.check()
        write_environment(self.data_folder, self.environment)
        self._announce("ready")
        for flower in flowers:
            self._announce(f"Flower: {flower.address} (user and password: FLOWER_URL in {self.data_folder / 'env'})")
        for exporter in exporters:
            self._announce(f"Metrics: {exporter.url}")

    def check(self) -> None:
        """Restart dead processes.

        Raises StackProcessFailed if a process has died three times within a minute. Raises StopRequested after a stop
        signal.
        """
        self._signals.check()
        self._supervisor.check()

    def supervise(self) -> None:
        """Restart dead processes until a stop signal comes. Raises StackProcessFailed as `check` does."""
        try:
            while True:
                self.check()
                self._signals.pause()
        except StopRequested:
            return
