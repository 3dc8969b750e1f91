"""`scrip up` as a separate process, and ways to find processes that were left behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psutil
from dotenv import dotenv_values

from tests.support.waiting import eventually

SCRIP = Path(sys.executable).with_name("scrip")
SAMPLE_CHECKOUT = Path(__file__).parent / "sample_checkout"
# Only a broken system takes that long to start or to stop, even on a slow machine.
DEADLINE_SECONDS = 120
# Numbers for the files of output, a file for each start.
NUMBERS = count(1)


def write_procfile(folder: Path, *lines: str) -> Path:
    """Write a Procfile of those lines into the folder."""
    path = folder / "Procfile"
    path.write_text("\n".join(lines) + "\n")
    return path


def program(folder: Path, name: str, *lines: str) -> str:
    """Write a Python program into the folder and return the command that runs the program there."""
    (folder / f"{name}.py").write_text("\n".join(lines) + "\n")
    return f"python {name}.py"


def idle(folder: Path) -> str:
    """Return the command of a program that does nothing until it is stopped."""
    return program(folder, "idle", *(SAMPLE_CHECKOUT / "idle.py").read_text().splitlines())


@contextmanager
def default_hangups() -> Iterator[None]:
    """Let programs started in this context react to SIGHUP, even if the tests themselves run under `nohup`."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)


def lives(process: psutil.Process) -> bool:
    """Return whether the process still runs. A zombie does not."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def listens(url: str) -> bool:
    """Return whether a program listens at the URL."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


@dataclass
class Up:
    """A run of `scrip up`. Leaving the context stops the run in any case."""

    data_folder: Path
    procfile: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    def __enter__(self) -> Self:
        """Start the command without waiting."""
        self.output_file = self.data_folder.with_name(f"{self.data_folder.name}.{next(NUMBERS)}.output")
        arguments = ["--home", str(self.data_folder), *(["--procfile", str(self.procfile)] if self.procfile else [])]
        with self.output_file.open("wb") as output, default_hangups():
            self.process = subprocess.Popen(
                [*self.prefix, str(SCRIP), "up", *arguments],
                env={**os.environ, **self.variables},
                cwd=self.data_folder.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.seen: set[psutil.Process] = set()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask the command to stop, and wait."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)

    @property
    def output(self) -> str:
        """The output so far."""
        return self.output_file.read_text()

    @property
    def environment(self) -> dict[str, str]:
        """The variables in DIR/env."""
        return {name: value for name, value in dotenv_values(self.data_folder / "env").items() if value is not None}

    def wait_for(self, line: str) -> None:
        """Wait until the command has printed that line. Fail if the command ends without."""
        eventually(
            lambda: line in self.output.splitlines() or self.process.poll() is not None, seconds=DEADLINE_SECONDS
        )
        assert line in self.output.splitlines(), self.output

    def wait_ready(self) -> Self:
        """Wait until the stack is ready."""
        self.wait_for("ready")
        return self

    def processes(self) -> list[psutil.Process]:
        """Return all descendants of the command, and remember them for `left`."""
        found = []
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update(found)
        return found

    def child(self, word: str) -> psutil.Process:
        """Return the only child process with that word in the command line.

        A process has no command line while die_with_parent.py turns into the program.
        """

        def found() -> list[psutil.Process]:
            children = psutil.Process(self.process.pid).children()
            return [each for each in children if any(word in argument for argument in each.cmdline())]

        (child,) = eventually(found, seconds=DEADLINE_SECONDS)
        return child

    def end(self, number: signal.Signals) -> int:
        """Send the signal and return the exit code."""
        self.processes()
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)

    def left(self) -> list[psutil.Process]:
        """Return the running processes among all that were ever seen, or that name the data folder."""
        strangers = [each for each in psutil.process_iter() if names(each, self.data_folder)]
        return [each for each in {*self.seen, *strangers} if lives(each)]


def names(process: psutil.Process, folder: Path) -> bool:
    """Return whether the folder is in the command line or the variables of the process."""
    with suppress(psutil.NoSuchProcess):
        if any(str(folder) in argument for argument in process.cmdline()):
            return True
        with suppress(psutil.AccessDenied):
            return any(str(folder) in value for value in process.environ().values())
    return False
