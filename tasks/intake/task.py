"""Register a use case as a Celery task, under the name in the contract.

Every task takes exactly one keyword argument, `request`. A bad request fails the task with InvalidRequest, and a wrong
queue with WrongQueue. A message whose request cannot be decided now stays with the broker, and is tried again until it
is decided or a dead letter.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from celery import Task
from celery.exceptions import Reject
from sqlalchemy.orm import Session

from tasks.intake.decide_batch import Decision, decide_batch
from tasks.wire.answers import Answer
from tasks.wire.dead_letters import keep_running, reason_without_values
from tasks.wire.errors import (
    INFRASTRUCTURE_FAULTS,
    SENDERS_FAULTS,
    Undecided,
    require_right_queue,
    require_valid_options,
)
from tasks.wire.parsing import Request, argument_of, parse
from tasks.wire.replay import AnswerTable
from tasks.wire.shown_answers import DONE, READ, shown_answer
from worker.app import app
from worker.intake.arrival import wrong_queue_of
from worker.intake.current_message import message_id
from worker.intake.delivery import InvalidOption
from worker.intake.invalid_options import noted_invalid_option
from worker.intake.shown_request import Request as ShownRequest
from worker.intake.strategy import strategy
from worker.own_signature import signing
from worker.retry_limits import RETRIES_MAX, RETRY_BACKOFF_MAX_SECONDS

RETRY_DELAY_SECONDS = 5


def contract_task(
    name: str, *, message: type[Request], first_answer: AnswerTable
) -> Callable[[Callable[[Request], Any]], Task]:
    """Return a decorator that registers a use case as a Celery task. Each message is decided by itself.

    `first_answer` says where a repeated request finds the first answer, for docs/architecture.md.
    """

    def register(use_case: Callable[[Request], Any]) -> Task:
        return _registered(name, use_case, Decision(message=message, use_case=use_case), first_answer=first_answer)

    return register


def gathered_task(
    name: str,
    *,
    message: type[Request],
    first_answer: AnswerTable,
    decide: Callable[[Session, Sequence[Request]], list[Answer]],
) -> Callable[[Callable[[Request], Any]], Task]:
    """Return a decorator that registers a use case, as `contract_task` does, and decides messages together.

    A worker gathers the messages, and a child decides each batch by `decide`. The decorated function decides a message
    where children are not processes.
    """

    def register(use_case: Callable[[Request], Any]) -> Task:
        decision = Decision(message=message, use_case=use_case, decide_together=decide)
        return _registered(name, use_case, decision, first_answer=first_answer)

    return register


class ContractTask(Task):
    """A task that Celery itself runs where children are not processes: no message is lost there either."""

    abstract = True

    def retry(self, *arguments: Any, **options: Any) -> Any:
        """Publish the message again with a delay, or put the message back if that fails: Celery would drop it."""
        try:
            with signing():
                return super().retry(*arguments, **options)
        except Reject as error:
            raise Reject(error.reason, requeue=True) from error


def _registered(
    name: str, use_case: Callable[[Request], Any], decision: Decision[Request], *, first_answer: AnswerTable
) -> Task:
    is_read = first_answer is AnswerTable.READS
    task: Task = app.task(
        name=name,
        base=ContractTask,
        throws=SENDERS_FAULTS,
        autoretry_for=INFRASTRUCTURE_FAULTS,
        max_retries=RETRIES_MAX,
        default_retry_delay=RETRY_DELAY_SECONDS,
        retry_backoff=True,
        retry_backoff_max=RETRY_BACKOFF_MAX_SECONDS,
        retry_jitter=True,
        Request=ShownRequest,
        # An answer shows the voucher's code. Celery itself, where children are not processes, shows nothing of it.
        resultrepr_maxsize=1,
        # A partial would become a method of the task in later versions of Python.
        shown_answer=staticmethod(partial(shown_answer, otherwise=READ if is_read else DONE)),
        first_answer=first_answer,
        use_case_name=use_case.__name__,
        # A function would become a method of the task.
        Strategy=staticmethod(strategy),
        decision=decision,
        is_gathered=decision.decide_together is not None,
        # Becomes a method, which a child calls on the registered task.
        decide_batch=decide_batch,
    )(running(use_case, name=name, message=decision.message))
    return task


def running(use_case: Callable[[Request], Any], *, name: str, message: type[Request]) -> Callable[..., Any]:
    """Return the function that Celery runs where children are not processes.

    The function parses, decides, and keeps a fault that no retry can mend.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            require_valid_options(invalid_option_now())
            require_right_queue(name, came_by_wrong=wrong_queue_now(name))
            return use_case(parse(message, argument_of(args, kwargs)))
        except SENDERS_FAULTS:
            raise
        except INFRASTRUCTURE_FAULTS as error:
            if not is_last_attempt():
                raise
            fault = reason_without_values(error)
        except Exception as error:  # noqa: BLE001 - Celery would log the error, and a driver's error shows values
            fault = reason_without_values(error)
        # If the database is away, this raises a fault of the servers, and the task is retried.
        keep_running(reason=fault, kwargs=kwargs)
        raise Undecided(fault)

    run.__doc__ = use_case.__doc__
    run.__module__ = use_case.__module__
    return run


def wrong_queue_now(name: str) -> str | None:
    """Return the queue by which the running message of a task came if it is that of other tasks, or None."""
    task = app.current_worker_task
    return wrong_queue_of(task.request.delivery_info or {}, task=name) if task else None


def invalid_option_now() -> InvalidOption | None:
    """Return the option for which the worker has refused the running message, or None."""
    task = app.current_worker_task
    return noted_invalid_option(vars(task.request)) if task else None


def is_last_attempt() -> bool:
    """Return whether the running task has no retries left."""
    task = app.current_worker_task
    return task is not None and task.request.retries >= RETRIES_MAX


def delivery_id() -> str | None:
    """Return the id of the message that is being decided, or None outside a worker.

    All deliveries of a message have the same id.
    """
    return message_id()
