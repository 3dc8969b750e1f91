"""The result store as a child sees it. No error of the store reaches a batch, whose effects are committed.

A store that is full, has no disk or cannot be reached holds up a child once, for at most 4 s: 2 s for a connection and
2 s for a reply (`worker/connections.py` sets both). Then the child keeps the answers, up to 32 MiB, and a thread stores
them as soon as the store is back. Callers then get their answers late; no caller gets another.
The answers are in the database as well, so a caller may also send the request again.
"""

import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from threading import Event, Lock, Thread
from typing import Any

from celery.utils.log import get_logger

from worker.intake.results import TaskResult, size_of, write

logger = get_logger(__name__)

PAUSE_SECONDS = 0.5
# A child that ends tries for so long. A child of a worker that stops is killed after 5 s.
LAST_SECONDS, LAST_PAUSE_SECONDS = 2, 0.1
KEPT_CHARACTERS_MAX = 32 * 2**20
# Results in a round trip.
CHUNK_COUNT = 500


class ResultStore:
    """The result store of a process, and the answers that could not be stored yet, in order."""

    def __init__(self, *, pause_seconds: float = PAUSE_SECONDS, kept_characters_max: int = KEPT_CHARACTERS_MAX) -> None:
        """Assume that the store is up. `pause_seconds` is the pause between two attempts while it is down."""
        self.pause_seconds = pause_seconds
        self.kept_characters_max = kept_characters_max
        self.is_down = False
        self._kept: deque[tuple[TaskResult, int]] = deque()
        self._kept_characters = self._dropped_count = 0
        self._lock = Lock()
        self._is_ending = Event()

    def store(self, backend: Any, results: Sequence[TaskResult]) -> None:
        """Store the results whose callers want an answer, now or as soon as the store is back."""
        wanted = [each for each in results if each.delivery.wants_answer]
        if not wanted:
            return
        if not self.is_down:
            try:
                write(backend, wanted)
            except Exception as error:  # noqa: BLE001 - of a backend of any kind, after the effects were committed
                logger.error("the result store is down (%s): answers wait for it", type(error).__name__)  # noqa: TRY400
            else:
                return
        self._keep(backend, wanted)

    def end(self, backend: Any) -> None:
        """Store the kept answers before the process ends, or give up after some attempts."""
        self._is_ending.set()
        ends = time.monotonic() + LAST_SECONDS
        while self._kept and not self._store_kept(backend) and time.monotonic() < ends:
            time.sleep(LAST_PAUSE_SECONDS)

    def _keep(self, backend: Any, results: Sequence[TaskResult]) -> None:
        with self._lock:
            for each in results:
                size = size_of(backend, each)
                self._kept.append((each, size))
                self._kept_characters += size
            while self._kept_characters > self.kept_characters_max:
                self._kept_characters -= self._kept.popleft()[1]
                self._dropped_count += 1
            if not self.is_down:
                self.is_down = True
                Thread(target=self._run, args=(backend,), daemon=True).start()

    def _run(self, backend: Any) -> None:
        while not self._is_ending.wait(self.pause_seconds):
            if self._store_kept(backend):
                return

    def _store_kept(self, backend: Any) -> bool:
        """Store the kept answers, and return whether none is left."""
        while chunk := self._oldest():
            try:
                write(backend, [each for each, _ in chunk])
            except Exception:  # noqa: BLE001 - the store is still down, which was logged
                return False
            self._remove(chunk)
        return not self.is_down

    def _oldest(self) -> list[tuple[TaskResult, int]]:
        with self._lock:
            return list(islice(self._kept, CHUNK_COUNT))

    def _remove(self, chunk: Sequence[tuple[TaskResult, int]]) -> None:
        with self._lock:
            for each in chunk:
                # Meanwhile the oldest may have been dropped.
                if self._kept and self._kept[0] is each:
                    self._kept.popleft()
                    self._kept_characters -= each[1]
            if not self._kept:
                self.is_down = False
                logger.warning("the result store is back, %d answers were dropped", self._dropped_count)
                self._dropped_count = 0
