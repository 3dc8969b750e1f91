"""Register a task with messages that a worker gathers into batches. Each batch is decided in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Generic

from celery import Task
from sqlalchemy.orm import Session

from domain.value_class import value
from tasks.intake.decide_batch import decide_batch
from tasks.wire.answers import Answer
from tasks.wire.parsing import Request
from tasks.wire.replay import AnswerTable
from tasks.wire.task import contract_task
from worker.intake.gathering import strategy


@value
class Batched(Generic[Request]):
    """The class of a task's requests, and the use case that decides many of them and returns the answers in order."""

    message: type[Request]
    decide: Callable[[Session, Sequence[Request]], list[Answer]]


def gathered_task(
    name: str,
    *,
    message: type[Request],
    first_answer: AnswerTable,
    decide: Callable[[Session, Sequence[Request]], list[Answer]],
) -> Callable[[Callable[[Request], Any]], Task]:
    """Return a decorator that makes a task of a use case, as `contract_task` does.

    A worker gathers the messages, and a child decides each batch by `decide`. The decorated function decides a message
    that runs alone.
    """
    return contract_task(
        name,
        message=message,
        first_answer=first_answer,
        # A function would become a method of the task.
        Strategy=staticmethod(strategy),
        batched=Batched(message=message, decide=decide),
        # Becomes a method, which a child calls on the registered task.
        decide_batch=decide_batch,
    )
