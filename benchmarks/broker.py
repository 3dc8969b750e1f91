"""A queue that is filled first and then drained by the workers, with the time until the last acknowledgement.

Sending is not part of the measure, and would take half of a small machine. So the messages are written into another
database of the Valkey server, which no worker reads. The whole list is then moved to the workers.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence

from celery import Celery
from redis import Redis

from benchmarks.sampling import MeasureFailed
from worker.broker.bulk_publishing import Outgoing, send_all

# A database of the Valkey server that nothing else uses.
STAGING = 15
POLL_SECONDS = 0.005
# kombu's own transport pops a message and notes it as unacknowledged later, so a queue must stay empty for this long.
EMPTY_SECONDS = 0.1
DEADLINE_SECONDS = 600
UNACKNOWLEDGED = "unacked"


class Broker:
    """The broker, for sending messages and watching the queue."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.url = environment["REDIS_URL"]
        staging = re.sub(r"/0$", f"/{STAGING}", self.url)
        self.redis = Redis.from_url(self.url)
        self._staging = Redis.from_url(staging)
        self._sender = Celery("benchmark", broker=staging, set_as_current=False)

    def stage(self, task: str, requests: Iterable[object], *, queue: str, wants_answers: bool = False) -> list[str]:
        """Write messages into the staging database, which no worker reads, and return their ids."""
        options = {"queue": queue, "ignore_result": not wants_answers}
        return [each.id for each in send_all(self._sender, (Outgoing(task, request, options) for request in requests))]

    def drain(self, queue: str) -> float:
        """Move the staged messages to the workers, and return the seconds until all are acknowledged."""
        started = time.perf_counter()
        if not self._staging.move(queue, 0):
            raise MeasureFailed(f"the queue {queue} was not empty, or nothing was staged for it")
        return self.wait_until_done(queue) - started

    def wait_until_done(self, queue: str) -> float:
        """Return the time of the performance counter when nothing was left unacknowledged.

        Raises MeasureFailed after ten minutes.
        """
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
        """Remove the staged messages and return them in the order sent, for a caller that sends them separately."""
        messages: list[bytes | str] = self._staging.lrange(queue, 0, -1)
        self._staging.delete(queue)
        # The list holds the newest message first.
        return messages[::-1]

    def send(self, message: bytes | str, *, queue: str) -> None:
        """Send a staged message."""
        self.redis.lpush(queue, message)

    def rate(self, task: str, requests: Sequence[object], *, queue: str) -> float:
        """Return the messages per second that the workers handle."""
        self.stage(task, requests, queue=queue)
        return len(requests) / self.drain(queue)

    def _left(self, queue: str) -> int:
        with self.redis.pipeline() as at_once:
            at_once.llen(queue)
            at_once.hlen(UNACKNOWLEDGED)
            return sum(at_once.execute())
