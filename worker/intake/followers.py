"""The tasks that follow a message: Celery's callbacks, errbacks, chains and chords.

The child sends them after COMMIT and before the message is acknowledged, so none is lost; a message that is delivered
again sends them again.
"""

from collections.abc import Mapping
from typing import Any

from celery import Task, states
from celery.app.task import Context
from celery.canvas import maybe_signature
from celery.utils.log import get_logger
from celery.worker.request import Request
from kombu import Queue

from worker.intake.envelope import EMBEDDED
from worker.intake.results import STORE_ERRORS, TaskResult
from worker.intake.spans import within_trace_of

logger = get_logger(__name__)

# The headers that the followers get from the message.
CARRIED = ("root_id", "parent_id", "group", "group_index")


def followers_of(request: Request) -> Mapping[str, Any] | None:
    """Return the fields of Celery's protocol about the tasks that follow a message, or None if none follows."""
    _, _, embedded = request._payload  # noqa: SLF001 - as Celery's own properties read it
    following = {name: embedded[name] for name in EMBEDDED if (embedded or {}).get(name)}
    return {**following, **{name: request.request_dict.get(name) for name in CARRIED}} if following else None


def end_with_followers(task: Task, result: TaskResult) -> bool:
    """Send the tasks that follow a message and store its result, as Celery does.

    Return False if the broker or the result store cannot be reached. A follower that cannot be sent for another reason
    is logged, and the answer is stored.
    """
    delivery = result.delivery
    context = Context(
        id=delivery.id,
        ignore_result=not delivery.wants_answer,
        children=[],
        headers=delivery.trace,
        **(delivery.followers or {}),
    )
    try:
        with within_trace_of(delivery):
            _send_all_and_store(task, context, result)
    except STORE_ERRORS as error:
        logger.warning("the tasks that follow %s could not be sent: %s", delivery.id, type(error).__name__)
        return False
    except Exception as error:  # noqa: BLE001 - the effect is committed, whatever the sender wants to follow
        _log_unsendable(context, error)
        task.backend.store_result(delivery.id, result.result, result.state)
    return True


def _send_all_and_store(task: Task, context: Context, result: TaskResult) -> None:
    if result.state == states.SUCCESS:
        _send_all(task, context, result.result)
        task.backend.mark_as_done(context.id, result.result, context)
        return
    # Celery would send an errback to its queue, of which it must know, and call one in this process if the worker has
    # a task of that name.
    for errback in context.errbacks or ():
        _send(task, context, errback, context.id)
    task.backend.mark_as_failure(context.id, result.result, request=context, call_errbacks=False)


def _log_unsendable(context: Context, error: Exception) -> None:
    logger.error("a task that follows %s cannot be sent: %s", context.id, type(error).__name__)


def _send_all(task: Task, context: Context, answer: Any) -> None:
    for callback in context.callbacks or ():
        _send(task, context, callback, answer)
    if context.chain:
        *rest, following = context.chain
        _send(task, context, following, answer, chain=rest)


def _send(task: Task, context: Context, follower: Any, answer: Any, **options: Any) -> None:
    signature = maybe_signature(follower, app=task.app)
    queue = signature.options.get("queue")
    if isinstance(queue, str) and queue not in task.app.amqp.queues:
        # A queue of the sender's own, which Scrip neither knows nor declares.
        options["queue"] = Queue(queue, routing_key=queue, no_declare=True)
    if context.headers:
        # Instrumentation, if there is any, writes a span of its own in their place.
        options["headers"] = {**context.headers, **(signature.options.get("headers") or {})}
    try:
        signature.apply_async((answer,), parent_id=context.id, root_id=context.root_id, **options)
    except STORE_ERRORS:
        raise
    except Exception as error:  # noqa: BLE001 - the effect is committed, whatever the sender wants to follow
        _log_unsendable(context, error)
