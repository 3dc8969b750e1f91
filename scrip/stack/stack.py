"""The embedded stack: Postgres, Valkey, the migrations and every program of the Procfile, below one folder.

It is for development, tests and demonstrations. All of it listens on the loopback interface only, behind
generated passwords, and ends with the process that started it.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from scrip.stack.data_folder import HomeUnusable, locked, temporary_folder, write_environment
from scrip.stack.postgres_server import Postgres
from scrip.stack.process import StackProcess, StackProcessFailed
from scrip.stack.procfile import PROCFILE, RELEASE, ProcfileInvalid, read_procfile
from scrip.stack.procfile_programs import Flower, parts
from scrip.stack.stop_signals import StopRequested, StopSignals
from scrip.stack.supervisor import Supervisor
from scrip.stack.valkey_server import Valkey

# Where the caller's own servers are: libpq's, Celery's and Flower's variables would lead the stack's programs there.
FOREIGN_VARIABLES = {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "RESULT_BACKEND_URL", "SCRIP_BEAT_SCHEDULE_FILE"}
FOREIGN_PREFIXES = ("PG", "CELERY_", "FLOWER_")

# What can go wrong in ways that a user should read as one line.
STACK_ERRORS = (StackProcessFailed, HomeUnusable, ProcfileInvalid, OSError)


@contextmanager
def servers(home: Path) -> Iterator[dict[str, str]]:
    """This context will run Postgres and Valkey alone, and yield the variables that lead to them.

    Tests and benchmarks use it. The data stay in `home` for the next time. It raises StackProcessFailed where a server
    cannot start and HomeUnusable where `home` cannot be had. Call it from the main thread: on Linux, what a
    thread started ends with that thread. A server that dies stays dead.
    """
    home = home.absolute()
    with locked(home), ExitStack() as opened:
        with StopSignals() as signals:
            supervisor = Supervisor(announce=_in_silence, pause=signals.pause)
            opened.callback(_stop_undisturbed, supervisor)
            environment = _launch_servers(supervisor, home=home, pause=signals.pause)
            signals.check()
        yield environment


def _in_silence(_line: str) -> None:
    """This function will say nothing: only a stack that supervises has news."""


def _stop_undisturbed(supervisor: Supervisor) -> None:
    with StopSignals():
        supervisor.stop()


def _launch_servers(supervisor: Supervisor, *, home: Path, pause: Callable[[], None]) -> dict[str, str]:
    """This function will start both servers and return the variables that worker/settings.py reads."""
    environment = _inherited()
    postgres = Postgres(home=home, environment=environment)
    valkey = Valkey(home=home, environment=environment)
    postgres.create(pause)
    supervisor.launch(postgres, valkey)
    return {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": valkey.url,
        "SCRIP_BEAT_SCHEDULE_FILE": str(home / "celerybeat-schedule"),
    }


def _inherited() -> dict[str, str]:
    """This function will return the caller's variables without those that lead to other servers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_VARIABLES and not name.startswith(FOREIGN_PREFIXES)
    }
    # `celery` and `alembic` are those of this very installation.
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    # What a program prints is in its log before it can be killed.
    kept["PYTHONUNBUFFERED"] = "1"
    return kept


class Stack:
    """The whole stack, as a context: entered when all of it is ready, left when all of it is gone.

        with Stack(Path(".scrip"), announce=print) as stack:
            stack.supervise()                   # until SIGINT, SIGTERM or SIGHUP

    or, with work of one's own in between:

        with Stack(home, announce=print) as stack:
            os.environ.update(stack.environment)
            while not done():
                stack.check()                   # a few times a second: restarts what died

    While the context is open a stop signal interrupts nothing: the next `check` raises StopRequested (a
    KeyboardInterrupt), and leaving the context by it stops everything. It has no threads; use it from the main one.
    """

    def __init__(self, home: Path, announce: Callable[[str], None], *, procfile: Path = PROCFILE) -> None:
        """This method will remember the folder, the function that gets each line to show, and the Procfile."""
        self.home = home.absolute()
        # What `home/env` holds: DATABASE_URL, REDIS_URL, FLOWER_URL and SCRIP_BEAT_SCHEDULE_FILE.
        self.environment: dict[str, str] = {}
        self._announce = announce
        self._procfile = procfile.absolute()
        self._signals = StopSignals()
        self._supervisor = Supervisor(announce=announce, pause=self._signals.pause)
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """This method will start everything, or raise what prevented it with nothing left running.

        It raises StackProcessFailed, HomeUnusable, ProcfileInvalid, OSError or StopRequested.
        """
        with ExitStack() as opened:
            opened.enter_context(self._signals)
            opened.enter_context(locked(self.home))
            opened.callback(self._supervisor.stop)
            opened.callback((self.home / "env").unlink, missing_ok=True)
            self._start()
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """This method will stop everything, last started first."""
        with self._opened:
            self._announce("stopping")

    def _start(self) -> None:
        programs = dict(read_procfile(self._procfile))
        release = programs.pop(RELEASE, None)
        self._announce("starting postgres and valkey")
        self.environment = _launch_servers(self._supervisor, home=self.home, pause=self._signals.pause)
        if release:
            self._announce(f"running {RELEASE}")
            for part in self._parts({RELEASE: release}):
                part.run(self._signals.pause)
        self._announce(f"starting {', '.join(programs)}")
        started = self._parts(programs)
        self._supervisor.launch(*started)
        self._say_ready(started)

    def _parts(self, programs: Mapping[str, Sequence[str]]) -> list[StackProcess]:
        environment = {**_inherited(), "TMPDIR": str(temporary_folder(self.home)), **self.environment}
        return parts(programs, home=self.home, environment=environment, folder=self._procfile.parent)

    def _say_ready(self, started: Sequence[StackProcess]) -> None:
        flowers = [part for part in started if isinstance(part, Flower)]
        for flower in flowers:
            self.environment["FLOWER_URL"] = flower.url
        self._signals.check()
        write_environment(self.home, self.environment)
        self._announce("ready")
        for flower in flowers:
            self._announce(f"Flower: {flower.address} (user and password: FLOWER_URL in {self.home / 'env'})")

    def check(self) -> None:
        """This method will restart what died.

        It raises StackProcessFailed for a part that died three times within a minute, and StopRequested when a stop
        signal has come.
        """
        self._signals.check()
        self._supervisor.check()

    def supervise(self) -> None:
        """This method will restart what dies until a stop signal comes, or raise StackProcessFailed."""
        try:
            while True:
                self.check()
                self._signals.pause()
        except StopRequested:
            return
