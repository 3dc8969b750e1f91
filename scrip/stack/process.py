"""A process of the embedded stack: a program that runs in the foreground, in a separate session.

In a separate session, Ctrl-C at the terminal does not reach the program, and all descendants can be found.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from scrip.stack.process_tree import end_session

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
# A slow machine that starts everything at once needs that long.
READY_SECONDS_MAX = 120
LAST_LINES = 15
# Enough of the log's end to hold those lines.
LAST_BYTES = 64 * 1024

Pause = Callable[[], None]


class StackProcessFailed(Exception):
    """A process could not start, or died too often. The message is a clear line and the end of the log."""


class StackProcess:
    """A program with a log. A subclass knows when the program is ready, and how to stop it."""

    # The signals that ask the program to stop, each with the seconds to wait, before SIGKILL.
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 15),)
    # The signal that the kernel sends to the program when this process dies.
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(
        self,
        *,
        name: str,
        data_folder: Path,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        prefix: Sequence[str] = (),
    ) -> None:
        """Describe the process: `command` runs in `folder` and writes to `logs/NAME.log` in the data folder.

        `prefix` is a command that runs another command, for example as another user.
        """
        self.name = name
        self.data_folder = data_folder
        self.folder = folder
        self.log = data_folder / "logs" / f"{name}.log"
        self._command = command
        self._prefix = prefix
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: dict[signal.Signals, float] = {}
        self._log_before = self.log.stat().st_size if self.log.exists() else 0
        self._log_at_spawn = self._log_before

    def command(self) -> Sequence[str]:
        """Return the command that the next spawn runs."""
        return self._command

    def environment(self) -> Mapping[str, str]:
        """Return all environment variables of the next spawn."""
        return self._environment

    def ready(self) -> bool:
        """Return whether the process is ready to work."""
        return self.exit_code() is None

    def can_try_again(self) -> bool:
        """Return whether the process, which just ended, failed for a temporary reason."""
        return False

    def spawn(self) -> None:
        """Start the program without waiting. The program ends if this process dies."""
        die_with_parent = (sys.executable, "-IS", str(DIE_WITH_PARENT), str(os.getpid()), str(int(self.death_signal)))
        with self.log.open("ab") as log:
            self._log_at_spawn = log.tell()
            self._asked = {}
            self._process = subprocess.Popen(
                [*self._prefix, *die_with_parent, *self.command()],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The program's process id, or None before the first spawn."""
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return the exit code, or minus the signal number, or None while the program runs."""
        return self._process.poll() if self._process else None

    def wait_ready(self, pause: Pause) -> None:
        """Wait until the process is ready. Raises StackProcessFailed if the process ends or takes over two minutes."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self.ready():
            if (code := self.exit_code()) is not None:
                self.kill()
                if not self.can_try_again():
                    raise self.failure(f"could not start: it ended with exit code {code}")
                self.spawn()
            elif time.monotonic() > deadline:
                raise self.failure(f"could not start: it was not ready after {READY_SECONDS_MAX} seconds")
            pause()

    def run(self, pause: Pause) -> None:
        """Run a program to the end. Raises StackProcessFailed if the exit code is not 0."""
        try:
            self.spawn()
            while (code := self.exit_code()) is None:
                pause()
        finally:
            self.stop()
        if code != 0:
            raise self.failure(f"could not start: {Path(self.command()[0]).name} ended with exit code {code}")

    def ask_to_stop(self) -> None:
        """Send the first stop signal and do not wait."""
        self._ask(self.stop_signals[0][0])

    def stop(self) -> None:
        """End the program and all descendants, by force if the stop signals do not help."""
        if not self._process:
            return
        for number, seconds in self.stop_signals:
            asked_at = self._ask(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0, asked_at + seconds - time.monotonic()))
        self.kill()

    def _ask(self, number: signal.Signals) -> float:
        """Send the signal once and return when. To some programs a second signal means to hurry."""
        if self._process and number not in self._asked:
            self._process.send_signal(number)
        return self._asked.setdefault(number, time.monotonic())

    def kill(self) -> None:
        """Kill the program and all descendants if any are left, and wait until they are gone."""
        if self._process:
            end_session(self._process)

    def output(self) -> str:
        """Return the output of the program since the last spawn."""
        return self._read_log(self._log_at_spawn)

    def failure(self, problem: str) -> StackProcessFailed:
        """Return the exception for a failure, with the last lines of the log."""
        lines = self._read_log(self._log_before).splitlines()[-LAST_LINES:]
        return StackProcessFailed("\n".join([f"{self.name} {problem}", *(f"  | {line}" for line in lines)]))

    def _read_log(self, start: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(start, self.log.stat().st_size - LAST_BYTES))
            return log.read().decode(errors="replace")
