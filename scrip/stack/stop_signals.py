"""Stop signals: a signal is noted on arrival, and raised as an exception at a safe moment.

An exception out of a signal handler could interrupt between a fork and the line that remembers the child. So the
embedded stack waits by calling `pause()` only, and `pause()` raises the exception.
"""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

# Ctrl-C, kill, and a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Short enough that nobody notices the wait, long enough to take no processor time.
PAUSE_SECONDS = 0.05


class StopRequested(KeyboardInterrupt):
    """A signal asked this process to stop. Like Ctrl-C, `except Exception` does not catch it."""

    def __init__(self, signal_number: int) -> None:
        """Keep the signal's number, from which the exit code follows."""
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class StopSignals:
    """While this context is open, a stop signal interrupts nothing until `check` or `pause` is called."""

    def __init__(self) -> None:
        self._noted: int | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        """Install the signal handlers. Python can do that in the main thread only; elsewhere nothing happens."""
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                # `nohup` ignores a hangup on purpose.
                if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted = number

    def check(self) -> None:
        """Raise StopRequested if a stop signal has come."""
        if self._noted is not None:
            raise StopRequested(self._noted)

    def pause(self) -> None:
        """Wait 0.05 s, then raise StopRequested if a stop signal has come."""
        time.sleep(PAUSE_SECONDS)
        self.check()
