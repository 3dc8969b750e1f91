"""Storing the answers of a batch in the result store: in a single round trip if the store is Redis.

The answers are in the database as well. If the result store is down, callers wait in vain, but work goes on: no error
of the store reaches the batch. A store that is full, has no disk or cannot be reached holds up a child once, for at
most 14 s: the last attempt starts within 10 s, and may wait 2 s for a connection and 2 s for a reply. From then on each
batch tries it once, or not at all for 10 s after it did not answer in time. `worker/connections.py` sets the timeouts.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from celery import states
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.exceptions import BackendError
from celery.utils.log import get_logger
from kombu.exceptions import OperationalError
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from worker.fault_points import FaultPoint, reach
from worker.intake.delivery import Delivery

logger = get_logger(__name__)

STORE_ERRORS = (RedisError, BackendError, OperationalError, OSError)
# A store that restarts is back within seconds. A store that was down at the last batch is tried only once.
PAUSES_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)
# No attempt starts later than this after the first.
ATTEMPTS_SECONDS_MAX = 10
# A store that is down, and takes longer than this to say so, is not tried again for the quiet time. Otherwise each
# batch would wait for it.
SLOW_SECONDS = 0.5
QUIET_SECONDS = 10


class TaskResult(NamedTuple):
    """The result of a task: Celery's state with the answer or the error."""

    delivery: Delivery
    state: str
    result: Any
    traceback: str | None = None


class ResultStore:
    """The result store of a process. While the store is down, each batch tries it at most once."""

    def __init__(
        self, *, pauses_seconds: Sequence[float] = PAUSES_SECONDS, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        """Assume that the store is up. `pauses_seconds` are the pauses between two attempts."""
        self.pauses_seconds = pauses_seconds
        self.quiet_seconds = quiet_seconds
        self.is_down = False
        self._quiet_until = 0.0

    def store(self, backend: Any, results: Sequence[TaskResult]) -> None:
        """Store the results whose callers want an answer. After the last attempt they are lost, without an error."""
        wanted = [each for each in results if each.delivery.wants_answer]
        if not wanted or time.monotonic() < self._quiet_until:
            return
        last_start = time.monotonic() + ATTEMPTS_SECONDS_MAX
        for pause_seconds in (0.0, *(() if self.is_down else self.pauses_seconds)):
            if time.monotonic() + pause_seconds > last_start:
                break
            time.sleep(pause_seconds)
            started = time.monotonic()
            try:
                _write(backend, wanted)
            except Exception as error:  # noqa: BLE001 - of a backend of any kind, after the effects were committed
                problem = type(error).__name__
            else:
                self.note_working()
                return
        if time.monotonic() - started > SLOW_SECONDS:
            self._quiet_until = time.monotonic() + self.quiet_seconds
        self.note_down(problem)

    def note_working(self) -> None:
        """Log that the store is back, if it was down."""
        if self.is_down:
            logger.warning("the result store is back")
        self.is_down = False

    def note_down(self, problem: str) -> None:
        """Log that the store is down, but only once."""
        if not self.is_down:
            logger.error("the result store is down (%s): answers are kept in the database only", problem)
        self.is_down = True


def _write(backend: Any, results: Sequence[TaskResult]) -> None:
    if isinstance(backend, RedisBackend):
        write_together(backend, results)
        return
    for each in results:
        backend.store_result(
            each.delivery.id, each.result, each.state, traceback=each.traceback, request=_context(each.delivery)
        )


def write_together(backend: Any, results: Sequence[TaskResult]) -> None:
    """Store and publish the results in a single round trip, each in the backend's own format."""
    succeeded = _succeeded(backend, [each.delivery.id for each in results if each.state != states.SUCCESS])
    with backend.client.pipeline(transaction=False) as commands:
        for each in results:
            # The failure of a late copy does not replace the success of the first.
            if each.delivery.id in succeeded and each.state != states.SUCCESS:
                continue
            key, value = backend.get_key_for_task(each.delivery.id), _stored(backend, each)
            commands.set(key, value, ex=backend.expires or None)
            commands.publish(key, value)
        reach(FaultPoint.WHILE_ANSWERING)
        commands.execute()


def _succeeded(backend: Any, task_ids: Sequence[str]) -> set[str]:
    if not task_ids:
        return set()
    stored = backend.client.mget([backend.get_key_for_task(each) for each in task_ids])
    metas = ((task_id, backend.decode(meta)) for task_id, meta in zip(task_ids, stored, strict=True) if meta)
    return {task_id for task_id, meta in metas if meta["status"] == states.SUCCESS}


def _stored(backend: Any, result: TaskResult) -> str:
    # The fields that Celery's clients need. Celery's own text is longer by its date, its empty fields, the ids of
    # group and parent, and a space after each comma and colon.
    meta = {
        "status": result.state,
        "result": backend.encode_result(result.result, result.state),
        "task_id": result.delivery.id,
    }
    if result.traceback is not None:
        meta["traceback"] = result.traceback
    text: str = dumps(meta, separators=(",", ":"))
    return text


def _context(delivery: Delivery) -> Context:
    return Context(id=delivery.id, group=delivery.group, parent_id=delivery.parent, children=[], headers={})
