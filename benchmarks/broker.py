"""A queue that is filled while nobody looks, and how long it takes until the last of its messages is acknowledged.

Sending is not what is measured, and would take half of a small machine. So messages are written where no worker
reads, in another of the server's databases, and their list is moved to the workers as a whole.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence

from celery import Celery
from redis import Redis

from benchmarks.line import MeasureFailed
from worker.broker.publishing import Outgoing, send_all

# A database of the server's that nobody else uses.
STAGING = 15
POLL_SECONDS = 0.005
# A queue that looks empty may be between a pop and its note in kombu's own transport: it must stay so for this long.
EMPTY_SECONDS = 0.1
DEADLINE_SECONDS = 600
UNACKNOWLEDGED = "unacked"


class Broker:
    """The broker as a sender and a watch see it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """This method will describe the connections."""
        url = environment["REDIS_URL"]
        staging = re.sub(r"/0$", f"/{STAGING}", url)
        self.redis = Redis.from_url(url)
        self._staging = Redis.from_url(staging)
        self._sender = Celery("benchmark", broker=staging, set_as_current=False)

    def stage(self, task: str, requests: Iterable[object], *, queue: str, wants_answers: bool = False) -> list[str]:
        """This method will write messages where no worker sees them, and return their ids."""
        options = {"queue": queue, "ignore_result": not wants_answers}
        return [each.id for each in send_all(self._sender, (Outgoing(task, request, options) for request in requests))]

    def drain(self, queue: str) -> float:
        """This method will give the workers what was staged, and return the seconds until all is acknowledged."""
        started = time.perf_counter()
        if not self._staging.move(queue, 0):
            raise MeasureFailed(f"the queue {queue} was not empty, or nothing was staged for it")
        return self.wait_until_done(queue) - started

    def wait_until_done(self, queue: str) -> float:
        """This method will return when, by the performance counter, nothing was left unacknowledged."""
        started = time.perf_counter()
        empty_since: float | None = None
        while True:
            now = time.perf_counter()
            if self._left(queue):
                empty_since = None
            elif empty_since is None:
                empty_since = now
            elif now - empty_since > EMPTY_SECONDS:
                return empty_since
            if now - started > DEADLINE_SECONDS:
                raise MeasureFailed(f"the queue {queue} was not empty after {DEADLINE_SECONDS} seconds")
            time.sleep(POLL_SECONDS)

    def take_staged(self, queue: str) -> list[bytes | str]:
        """This method will return what was staged, in the order sent, for whoever sends it message by message."""
        messages: list[bytes | str] = self._staging.lrange(queue, 0, -1)
        self._staging.delete(queue)
        # What was sent first is the last of the list.
        return messages[::-1]

    def send(self, message: bytes | str, *, queue: str) -> None:
        """This method will send one message, as it was staged."""
        self.redis.lpush(queue, message)

    def rate(self, task: str, requests: Sequence[object], *, queue: str) -> float:
        """This method will return how many of these messages a second the workers got done."""
        self.stage(task, requests, queue=queue)
        return len(requests) / self.drain(queue)

    def _left(self, queue: str) -> int:
        with self.redis.pipeline() as at_once:
            at_once.llen(queue)
            at_once.hlen(UNACKNOWLEDGED)
            return sum(at_once.execute())
