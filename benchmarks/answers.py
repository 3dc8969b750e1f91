"""The instants at which answers arrive: the result store publishes each answer when it stores it."""

import json
import threading
import time
from collections.abc import Iterable
from typing import Any, Self

from celery.states import READY_STATES, SUCCESS
from redis import Redis, RedisError

from benchmarks.sampling import MeasureFailed

KEY = "celery-task-meta-"
# The thread looks this often whether it has to stop.
LOOK_SECONDS = 0.05
POLL_SECONDS = 0.01


class Answers(threading.Thread):
    """Callers that wait for answers. If their connection is cut, they connect again and look up what they missed."""

    def __init__(self, url: str) -> None:
        """Expect no answer yet. The result store is at the URL."""
        super().__init__(daemon=True)
        # Of each answer that has arrived, the instant by `time.monotonic`.
        self.arrived: dict[str, float] = {}
        self.failed: dict[str, Any] = {}
        self._redis = Redis.from_url(url, decode_responses=True)
        self._expected: set[str] = set()
        self._is_listening, self._is_ending = threading.Event(), False

    def __enter__(self) -> Self:
        self.start()
        self._is_listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        self.join()
        self._redis.close()

    def expect(self, ids: Iterable[str]) -> None:
        """Expect the answers to these messages."""
        self._expected |= set(ids)

    def wait(self, *, seconds_max: float) -> set[str]:
        """Wait until all expected answers have arrived, but no longer than that. Return the ids of the others.

        Raises MeasureFailed if a request failed.
        """
        deadline = time.monotonic() + seconds_max
        while (missing := self._missing()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if self.failed:
            raise MeasureFailed(f"{len(self.failed)} requests failed; first: {next(iter(self.failed.values()))}")
        return missing

    def run(self) -> None:
        """Listen until the context ends."""
        while not self._is_ending:
            try:
                self._listen()
            except (RedisError, OSError):
                time.sleep(POLL_SECONDS)

    def _listen(self) -> None:
        with self._redis.pubsub() as published:  # type: ignore[no-untyped-call]
            published.psubscribe(f"{KEY}*")
            while not self._is_ending:
                message = published.get_message(timeout=LOOK_SECONDS)
                if message is None:
                    continue
                if message["type"] == "pmessage":
                    self._note(message["channel"].removeprefix(KEY), message["data"])
                else:
                    # The subscription has begun, perhaps anew.
                    self._look_up_missing()
                    self._is_listening.set()

    def _look_up_missing(self) -> None:
        if missing := sorted(self._missing()):
            stored: Any = self._redis.mget([f"{KEY}{each}" for each in missing])
            for id_, text in zip(missing, stored, strict=True):
                if text is not None:
                    self._note(id_, text)

    def _missing(self) -> set[str]:
        return self._expected - self.arrived.keys() - self.failed.keys()

    def _note(self, id_: str, text: str) -> None:
        now, answer = time.monotonic(), json.loads(text)
        if answer["status"] == SUCCESS:
            self.arrived.setdefault(id_, now)
        elif answer["status"] in READY_STATES:
            self.failed.setdefault(id_, answer["result"])
