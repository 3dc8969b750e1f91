"""Make a task whose messages a worker gathers into batches, each decided in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Generic

from celery import Task
from sqlalchemy.orm import Session

from domain.value import value
from tasks.intake.decide_batch import decide_batch
from tasks.wire.answers import Answer
from tasks.wire.parsing import Request
from tasks.wire.task import contract_task
from worker.intake.gathering import strategy


@value
class Batched(Generic[Request]):
    """The request of a task, and the use case that decides many of them: one answer for each, in their order."""

    message: type[Request]
    decide: Callable[[Session, Sequence[Request]], list[Answer]]


def gathered_task(
    name: str, *, message: type[Request], decide: Callable[[Session, Sequence[Request]], list[Answer]]
) -> Callable[[Callable[[Request], Any]], Task]:
    """Return a decorator that makes a task of a use case, as `contract_task` does.

    A worker gathers its messages, and a child decides each batch by `decide`. The decorated function decides a message
    that runs alone.
    """
    return contract_task(
        name,
        message=message,
        # A function would become a method of the task.
        Strategy=staticmethod(strategy),
        batched=Batched(message=message, decide=decide),
        # Becomes a method: a child calls it on the registered task.
        decide_batch=decide_batch,
    )
