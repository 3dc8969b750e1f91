"""The message that this process is deciding."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from celery import current_app

from worker.intake.delivery import Delivery
from worker.intake.results import TaskResult, write

_current: ContextVar[Delivery | None] = ContextVar("message", default=None)


@contextmanager
def deciding(delivery: Delivery) -> Iterator[None]:
    """Make a message the current one."""
    token = _current.set(delivery)
    try:
        yield
    finally:
        _current.reset(token)


def message_id() -> str | None:
    """Return the id of the current message, or None outside a worker."""
    delivery, task = _current.get(), current_app.current_worker_task
    if delivery is not None:
        return delivery.id
    return task.request.id if task else None


def report_state(state: str, meta: dict[str, Any]) -> None:
    """Store the progress of the current message, if its sender wants an answer.

    Raises the result store's error if the store cannot be reached.
    """
    delivery, task = _current.get(), current_app.current_worker_task
    if delivery is not None and delivery.wants_answer:
        write(current_app.backend, [TaskResult(delivery, state, meta)])
    elif delivery is None and task is not None:
        task.update_state(state=state, meta=meta)
