"""A reading of a server that takes no longer than a scrape may take, however long the server takes."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from threading import Lock, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")

# Prometheus gives up a scrape after ten seconds, unless it is told otherwise.
READING_SECONDS_MAX: float = 3
# Scrapes at about the same time share a reading.
FRESH_SECONDS: float = 2


class BoundedReading(Generic[Result]):
    """Reads in a thread, one reading at a time."""

    def __init__(
        self,
        read: Callable[[], Result],
        *,
        errors: tuple[type[Exception], ...],
        seconds_max: float = READING_SECONDS_MAX,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        """Read by that function, which raises one of the errors if the server cannot be reached."""
        self._read, self._errors = read, errors
        self._seconds_max, self._fresh_seconds = seconds_max, fresh_seconds
        self._lock = Lock()
        self._begun: Future[Result] | None = None
        self._ended_at = float("-inf")
        self._result: Result | None = None

    def get(self) -> Result | None:
        """Return what was read in the last seconds, or None if it could not be read in time."""
        with self._lock:
            if time.monotonic() - self._ended_at > self._fresh_seconds:
                self._result = self._read_in_time()
                self._ended_at = time.monotonic()
            return self._result

    def _read_in_time(self) -> Result | None:
        # A reading that was too late the last time is waited for, and not begun a second time.
        reading = self._begun or self._begin()
        self._begun = None
        try:
            return reading.result(self._seconds_max)
        except NotInTime:
            # The server's own wait may have raised this error too.
            if not reading.done():
                self._begun = reading
        except self._errors:
            pass
        return None

    def _begin(self) -> Future[Result]:
        reading = Future[Result]()

        def run() -> None:
            try:
                reading.set_result(self._read())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
                reading.set_exception(error)

        # A server that does not answer must not keep the process from ending.
        Thread(target=run, daemon=True).start()
        return reading
