"""The results of tasks as the result store has them: in a single round trip if the store is Redis."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from celery import states
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.exceptions import BackendError
from kombu.exceptions import OperationalError
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from worker.fault_points import FaultPoint, reach
from worker.intake.delivery import Delivery

STORE_ERRORS = (RedisError, BackendError, OperationalError, OSError)


class TaskResult(NamedTuple):
    """The result of a task: Celery's state with the answer or the error."""

    delivery: Delivery
    state: str
    result: Any
    traceback: str | None = None


def write(backend: Any, results: Sequence[TaskResult]) -> None:
    """Store results. Raises the error of the backend, which may be of any kind."""
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


def size_of(backend: Any, result: TaskResult) -> int:
    """Return the number of characters that the result store has to keep."""
    return len(_stored(backend, result))


def _context(delivery: Delivery) -> Context:
    return Context(id=delivery.id, group=delivery.group, parent_id=delivery.parent, children=[], headers={})
