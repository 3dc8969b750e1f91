"""One part of the embedded stack: a program that runs in the foreground, in a session of its own.

Its own session keeps Ctrl-C at the terminal from it, and lets everything that it started be found again.
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

LEASH = Path(__file__).with_name("die_with_parent.py")
# A slow machine that starts everything at once is slow, not broken.
READY_SECONDS_MAX = 120
LAST_LINES = 15
# As much of the log's end as can hold those lines.
LAST_BYTES = 64 * 1024

Pause = Callable[[], None]


class StackProcessFailed(Exception):
    """A part could not start, or died too often. The message is one clear line, then the part's last words."""


class StackProcess:
    """A program with a log. Subclasses know when theirs is ready, and how it likes to be stopped."""

    # How to ask, and how long to wait for it, before SIGKILL.
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 15),)
    # What the kernel sends it when this process dies.
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(
        self,
        *,
        name: str,
        home: Path,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        prefix: Sequence[str] = (),
    ) -> None:
        """This method will describe the part: its command, run in `folder`, writes to `home/logs/name.log`.

        `prefix` is a command that runs another one: as another user, say.
        """
        self.name = name
        self.home = home
        self.folder = folder
        self.log = home / "logs" / f"{name}.log"
        self._command = command
        self._prefix = prefix
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: dict[signal.Signals, float] = {}
        self._log_before = self.log.stat().st_size if self.log.exists() else 0
        self._log_at_spawn = self._log_before

    def command(self) -> Sequence[str]:
        """This method will return the command as the next spawn runs it."""
        return self._command

    def environment(self) -> Mapping[str, str]:
        """This method will return all variables as the next spawn sees them."""
        return self._environment

    def ready(self) -> bool:
        """This method will tell whether the part can do its work."""
        return self.exit_code() is None

    def can_try_again(self) -> bool:
        """This method will tell whether the part, which just ended, failed for a reason that passes."""
        return False

    def spawn(self) -> None:
        """This method will start the program, on a leash, and not wait for it."""
        leash = (sys.executable, "-IS", str(LEASH), str(os.getpid()), str(int(self.death_signal)))
        with self.log.open("ab") as log:
            self._log_at_spawn = log.tell()
            self._asked = {}
            self._process = subprocess.Popen(
                [*self._prefix, *leash, *self.command()],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """This property will be the number of the program's process, or None before it is spawned."""
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """This method will return how the program ended (a signal as a negative number), or None while it runs."""
        return self._process.poll() if self._process else None

    def wait_ready(self, pause: Pause) -> None:
        """This method will wait until the part is ready, or raise StackProcessFailed."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self.ready():
            if (code := self.exit_code()) is not None:
                self.clear()
                if not self.can_try_again():
                    raise self.failure(f"could not start: it ended with exit code {code}")
                self.spawn()
            elif time.monotonic() > deadline:
                raise self.failure(f"could not start: it was not ready after {READY_SECONDS_MAX} seconds")
            pause()

    def run(self, pause: Pause) -> None:
        """This method will run a program that does one thing and ends, or raise StackProcessFailed."""
        try:
            self.spawn()
            while (code := self.exit_code()) is None:
                pause()
        finally:
            self.stop()
        if code != 0:
            raise self.failure(f"could not start: {Path(self.command()[0]).name} ended with exit code {code}")

    def ask_to_stop(self) -> None:
        """This method will ask the program to stop in its own way, and not wait for it."""
        self._ask(self.stop_signals[0][0])

    def stop(self) -> None:
        """This method will end the program and all that it started, by force where asking does not help."""
        if not self._process:
            return
        for number, seconds in self.stop_signals:
            asked_at = self._ask(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0, asked_at + seconds - time.monotonic()))
        self.clear()

    def _ask(self, number: signal.Signals) -> float:
        """This method will send the signal, once, and return when: to some programs a second one means to hurry."""
        if self._process and number not in self._asked:
            self._process.send_signal(number)
        return self._asked.setdefault(number, time.monotonic())

    def clear(self) -> None:
        """This method will kill whatever is left of the part and wait until it is gone."""
        if self._process:
            end_session(self._process)

    def output(self) -> str:
        """This method will return what the program wrote since it was last spawned."""
        return self._read_log(self._log_at_spawn)

    def failure(self, what: str) -> StackProcessFailed:
        """This method will make the exception that says what happened, with the part's last lines."""
        lines = self._read_log(self._log_before).splitlines()[-LAST_LINES:]
        return StackProcessFailed("\n".join([f"{self.name} {what}", *(f"  | {line}" for line in lines)]))

    def _read_log(self, start: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(start, self.log.stat().st_size - LAST_BYTES))
            return log.read().decode(errors="replace")
