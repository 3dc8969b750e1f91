"""Being asked to stop: a signal is noted when it comes and raised where stopping is safe.

An exception out of a signal handler could land between a fork and the line that remembers the child. So the
embedded stack waits by calling `pause()` and nothing else, and that is where the request comes up.
"""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

# Ctrl-C, kill, and a terminal that was closed.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Short enough that nobody notices the wait, long enough to cost nothing.
PAUSE_SECONDS = 0.05


class StopRequested(KeyboardInterrupt):
    """Somebody asked this process to stop. Like Ctrl-C, it is not for `except Exception` to swallow."""

    def __init__(self, signal_number: int) -> None:
        """This method will keep the signal's number, from which the exit code follows."""
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class StopSignals:
    """While this context is open, a stop signal interrupts nothing until `check` or `pause` is called."""

    def __init__(self) -> None:
        """This method will begin with nothing noted."""
        self._noted: int | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        """This method will take over the signals; outside the main thread Python has none to take over."""
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
        """This method will give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted = number

    def check(self) -> None:
        """This method will raise StopRequested when a stop signal has come."""
        if self._noted is not None:
            raise StopRequested(self._noted)

    def pause(self) -> None:
        """This method will wait a moment, then raise StopRequested when a stop signal has come."""
        time.sleep(PAUSE_SECONDS)
        self.check()
