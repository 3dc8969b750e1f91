"""Storing the answers of a whole batch: in one round trip where the store is Redis, and never at the price of a stop.

The answers are in the database as well. A store that is down costs its callers' waiting and nothing else.
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
from redis.exceptions import RedisError

from worker.intake.delivery import Delivery

logger = get_logger(__name__)

STORE_ERRORS = (RedisError, BackendError, OperationalError, OSError)
# A store that restarts is back within seconds. One that was down at the last batch is tried once at the next.
PAUSES_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)


class TaskResult(NamedTuple):
    """What is stored for one caller: Celery's state of the task with its answer or its error."""

    delivery: Delivery
    state: str
    result: Any
    traceback: str | None = None


class ResultStore:
    """The result backend of a process."""

    def __init__(self, *, pauses_seconds: Sequence[float] = PAUSES_SECONDS) -> None:
        """This method will begin with a store that is thought to be there."""
        self.pauses_seconds = pauses_seconds
        self.is_down = False

    def store(self, backend: Any, answers: Sequence[TaskResult]) -> None:
        """This method will store the answers that somebody wants, or lose them after a bounded number of tries."""
        wanted = [each for each in answers if each.delivery.wants_answer]
        if not wanted:
            return
        for pause_seconds in (0.0, *(() if self.is_down else self.pauses_seconds)):
            time.sleep(pause_seconds)
            try:
                _write(backend, wanted)
            except STORE_ERRORS as error:
                problem = type(error).__name__
            else:
                self.note_working()
                return
        self.note_down(problem)

    def note_working(self) -> None:
        """This method will say that the store is back, where it was down."""
        if self.is_down:
            logger.warning("the result store is back")
        self.is_down = False

    def note_down(self, problem: str) -> None:
        """This method will say once that the store is down."""
        if not self.is_down:
            logger.error("the result store is down (%s): answers are kept in the database only", problem)
        self.is_down = True


def _write(backend: Any, answers: Sequence[TaskResult]) -> None:
    if isinstance(backend, RedisBackend):
        write_together(backend, answers)
        return
    for each in answers:
        backend.store_result(
            each.delivery.id, each.result, each.state, traceback=each.traceback, request=_context(each.delivery)
        )


def write_together(backend: Any, answers: Sequence[TaskResult]) -> None:
    """This function will store and announce the answers as the backend does each of them, in one round trip."""
    succeeded = _succeeded(backend, [each.delivery.id for each in answers if each.state != states.SUCCESS])
    with backend.client.pipeline(transaction=False) as commands:
        for each in answers:
            # A copy that came late does not replace the success of the other.
            if each.delivery.id in succeeded and each.state != states.SUCCESS:
                continue
            key, value = backend.get_key_for_task(each.delivery.id), _stored(backend, each)
            commands.set(key, value, ex=backend.expires or None)
            commands.publish(key, value)
        commands.execute()


def _succeeded(backend: Any, task_ids: Sequence[str]) -> set[str]:
    if not task_ids:
        return set()
    stored = backend.client.mget([backend.get_key_for_task(each) for each in task_ids])
    metas = ((task_id, backend.decode(meta)) for task_id, meta in zip(task_ids, stored, strict=True) if meta)
    return {task_id for task_id, meta in metas if meta["status"] == states.SUCCESS}


def _stored(backend: Any, answered: TaskResult) -> str:
    meta = backend._get_result_meta(  # noqa: SLF001 - what callers read, and what no public method returns
        result=backend.encode_result(answered.result, answered.state),
        state=answered.state,
        traceback=answered.traceback,
        request=_context(answered.delivery),
    )
    text: str = backend.encode(meta | {"task_id": answered.delivery.id})
    return text


def _context(delivery: Delivery) -> Context:
    return Context(id=delivery.id, group=delivery.group, parent_id=delivery.parent, children=[], headers={})
