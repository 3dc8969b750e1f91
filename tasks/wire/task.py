"""Register a use case as a Celery task, under the name in the contract.

Every task takes exactly one keyword argument, `request`. A bad request fails the task with InvalidRequest. A fault of
the servers is retried 10,000 times, at most a minute apart, and then kept as a dead letter.
"""

from collections.abc import Callable
from typing import Any

from celery import Task

from tasks.wire.dead_letters import keep_running, reason_without_values
from tasks.wire.errors import INFRASTRUCTURE_FAULTS, InvalidRequest, NotFound, Undecided
from tasks.wire.parsing import Request, argument_of, parse
from tasks.wire.replay import AnswerTable
from worker.app import app
from worker.intake.shown_request import Request as ShownRequest
from worker.retry_limits import RETRIES_MAX, RETRY_BACKOFF_MAX_SECONDS

RETRY_DELAY_SECONDS = 5


def contract_task(
    name: str, *, message: type[Request], first_answer: AnswerTable, **options: Any
) -> Callable[[Callable[[Request], Any]], Task]:
    """Return a decorator that registers a use case as a Celery task.

    `first_answer` says where a repeated request finds the first answer, for docs/architecture.md. `options` are passed
    on to Celery.
    """

    def register(use_case: Callable[[Request], Any]) -> Task:
        task: Task = app.task(
            name=name,
            throws=(InvalidRequest, NotFound),
            autoretry_for=INFRASTRUCTURE_FAULTS,
            max_retries=RETRIES_MAX,
            default_retry_delay=RETRY_DELAY_SECONDS,
            retry_backoff=True,
            retry_backoff_max=RETRY_BACKOFF_MAX_SECONDS,
            retry_jitter=True,
            Request=ShownRequest,
            # An answer shows the voucher's code, so logs and events must not show the answer.
            resultrepr_maxsize=1,
            first_answer=first_answer,
            use_case_name=use_case.__name__,
            **options,
        )(running(use_case, message=message))
        return task

    return register


def running(use_case: Callable[[Request], Any], *, message: type[Request]) -> Callable[..., Any]:
    """Return the function that a task of a use case runs: parse, decide, and keep a fault that no retry can mend."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return use_case(parse(message, argument_of(args, kwargs)))
        except (InvalidRequest, NotFound):
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


def is_last_attempt() -> bool:
    """Return whether the running task has no retries left."""
    task = app.current_worker_task
    return task is not None and task.request.retries >= RETRIES_MAX


def delivery_id() -> str | None:
    """Return the id of the running task, or None outside a worker. All deliveries and retries have the same id."""
    task = app.current_worker_task
    return task.request.id if task else None
