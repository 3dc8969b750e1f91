"""`scrip up` as a process of its own, and ways to see what is left of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

import psutil
from dotenv import dotenv_values

SCRIP = Path(sys.executable).with_name("scrip")
SAMPLE_CHECKOUT = Path(__file__).parent / "sample_checkout"
# So long only a broken program takes, on whatever machine.
DEADLINE_SECONDS = 120
# One file of output for each start.
NUMBERS = count(1)

Found = TypeVar("Found")


def eventually(look: Callable[[], Found]) -> Found:
    """This function will look until it sees something and return that, or fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found


def write_procfile(folder: Path, *lines: str) -> Path:
    """This function will write a Procfile of those lines into the folder."""
    path = folder / "Procfile"
    path.write_text("\n".join(lines) + "\n")
    return path


def program(folder: Path, name: str, *lines: str) -> str:
    """This function will write a Python program into the folder and return the command that runs it there."""
    (folder / f"{name}.py").write_text("\n".join(lines) + "\n")
    return f"python {name}.py"


def idle(folder: Path) -> str:
    """This function will return the command of a program that does nothing until it is stopped."""
    return program(folder, "idle", *(SAMPLE_CHECKOUT / "idle.py").read_text().splitlines())


@contextmanager
def heard_hangups() -> Iterator[None]:
    """In this context a program that is started hears hangups, also where the tests themselves run under `nohup`."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)


def lives(process: psutil.Process) -> bool:
    """This function will tell whether the process still runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


@dataclass
class Up:
    """One `scrip up`. Leaving the context stops it, however the test ended."""

    home: Path
    procfile: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    def __enter__(self) -> Self:
        """This method will start it and not wait for anything."""
        self.output_file = self.home.with_name(f"{self.home.name}.{next(NUMBERS)}.output")
        arguments = ["--home", str(self.home), *(["--procfile", str(self.procfile)] if self.procfile else [])]
        with self.output_file.open("wb") as output, heard_hangups():
            self.process = subprocess.Popen(
                [*self.prefix, str(SCRIP), "up", *arguments],
                env={**os.environ, **self.variables},
                cwd=self.home.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.seen: set[psutil.Process] = set()
        return self

    def __exit__(self, *_: object) -> None:
        """This method will ask it to stop, and wait."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)

    @property
    def output(self) -> str:
        """This property will be all that it has printed."""
        return self.output_file.read_text()

    @property
    def environment(self) -> dict[str, str]:
        """This property will be what DIR/env says."""
        return {name: value for name, value in dotenv_values(self.home / "env").items() if value is not None}

    def wait_for(self, line: str) -> None:
        """This method will wait until it has printed that line, or fail when it ends without."""
        eventually(lambda: line in self.output.splitlines() or self.process.poll() is not None)
        assert line in self.output.splitlines(), self.output

    def wait_ready(self) -> Self:
        """This method will wait until it is ready."""
        self.wait_for("ready")
        return self

    def processes(self) -> list[psutil.Process]:
        """This method will list all that run below it, and remember them for `left`."""
        found = []
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update(found)
        return found

    def part(self, word: str) -> psutil.Process:
        """This method will find the one part with that word in its command line.

        While a process turns from its leash into its program, it has no command line.
        """

        def found() -> list[psutil.Process]:
            children = psutil.Process(self.process.pid).children()
            return [each for each in children if any(word in argument for argument in each.cmdline())]

        (part,) = eventually(found)
        return part

    def end(self, number: signal.Signals) -> int:
        """This method will send the signal and return the exit code."""
        self.processes()
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)

    def left(self) -> list[psutil.Process]:
        """This method will list what still runs of all that was ever seen, or that names its home."""
        strangers = [each for each in psutil.process_iter() if names(each, self.home)]
        return [each for each in {*self.seen, *strangers} if lives(each)]


def names(process: psutil.Process, folder: Path) -> bool:
    """This function will tell whether the process has the folder in its command line or in its variables."""
    with suppress(psutil.NoSuchProcess):
        if any(str(folder) in argument for argument in process.cmdline()):
            return True
        with suppress(psutil.AccessDenied):
            return any(str(folder) in value for value in process.environ().values())
    return False
