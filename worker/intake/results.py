"""The results of tasks as the result store has them: in a single round trip if the store is Redis."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.exceptions import BackendError
from celery.utils.log import get_logger
from kombu.exceptions import OperationalError
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from worker.fault_points import FaultPoint, reach
from worker.intake.delivery import Delivery
from worker.intake.named_projects import owner_of
from worker.intake.storing_script import STORE

logger = get_logger(__name__)

STORE_ERRORS = (RedisError, BackendError, OperationalError, OSError)


class TaskResult(NamedTuple):
    """The result of a task: Celery's state with the answer or the error, which has no traceback.

    A traceback tells whoever sent the message how the server is built, and where its files are.
    """

    delivery: Delivery
    state: str
    result: Any


def write(backend: Any, results: Sequence[TaskResult]) -> None:
    """Store results. Raises the error of the backend, which may be of any kind."""
    if isinstance(backend, RedisBackend):
        write_together(backend, results)
        return
    for each in results:
        backend.store_result(each.delivery.id, each.result, each.state, request=_context(each.delivery))


def write_together(backend: Any, results: Sequence[TaskResult]) -> None:
    """Store and publish the results in a single round trip, each in the backend's own format.

    The result of another project's task with the same id stays, and so does a success that a failure would replace.
    """
    keys = [backend.get_key_for_task(each.delivery.id) for each in results]
    values = list[str]()
    for each in results:
        owner = _owner_of(each)
        values += (owner or "", each.state, _stored(backend, each, owner=owner))
    store = backend.client.register_script(STORE)
    reach(FaultPoint.WHILE_ANSWERING)
    if kept := store(keys=keys, args=[backend.expires or "", *values]):
        logger.warning("%d answers were not stored: other projects have tasks with the same ids", kept)


def _stored(backend: Any, result: TaskResult, *, owner: str | None) -> str:
    # The fields that Celery's clients need. Celery's own text is longer by its date, its empty fields, the ids of
    # group and parent, and a space after each comma and colon.
    meta = {
        "status": result.state,
        "result": backend.encode_result(result.result, result.state),
        "task_id": result.delivery.id,
    }
    if owner is not None:
        meta["owner"] = owner
    text: str = dumps(meta, separators=(",", ":"))
    return text


def _owner_of(result: TaskResult) -> str | None:
    return owner_of(result.delivery.kwargs, task=result.delivery.task)


def size_of(backend: Any, result: TaskResult) -> int:
    """Return the number of characters that the result store has to keep."""
    return len(_stored(backend, result, owner=_owner_of(result)))


def _context(delivery: Delivery) -> Context:
    return Context(id=delivery.id, group=delivery.group, parent_id=delivery.parent, children=[], headers={})
