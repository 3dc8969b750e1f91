"""Make a Celery task of a use case, under the name that the contract gives it.

Every task takes exactly one keyword argument, `request`. A bad request fails the task with InvalidRequest; a fault of
the servers is retried until they are back.
"""

from collections.abc import Callable
from typing import Any

from celery import Task

from tasks.wire.dead_letters import keep_running, reason_without_values
from tasks.wire.errors import INFRASTRUCTURE_FAULTS, InvalidRequest, NotFound, Undecided
from tasks.wire.parsing import Request, argument_of, parse
from worker.app import app
from worker.intake.request import Request as ShownRequest
from worker.retries import RETRIES_MAX, RETRY_BACKOFF_MAX_SECONDS

RETRY_DELAY_SECONDS = 5


def contract_task(name: str, *, message: type[Request], **options: Any) -> Callable[[Callable[[Request], Any]], Task]:
    """Return a decorator that makes a Celery task of a use case. `options` are further options of Celery's task."""

    def register(use_case: Callable[[Request], Any]) -> Task:
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return use_case(parse(message, argument_of(args, kwargs)))
            except (InvalidRequest, NotFound):
                raise
            except INFRASTRUCTURE_FAULTS as error:
                if not is_last_attempt():
                    raise
                fault = reason_without_values(error)
            except Exception as error:  # noqa: BLE001 - a driver's error shows the request's values, and would be logged
                fault = reason_without_values(error)
            # If the database is away, this raises, and the task is retried for that.
            keep_running(reason=fault, kwargs=kwargs)
            raise Undecided(fault)

        run.__doc__ = use_case.__doc__
        run.__module__ = use_case.__module__
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
            # An answer carries the voucher's code: it is for the caller, not for logs and events.
            resultrepr_maxsize=1,
            **options,
        )(run)
        return task

    return register


def is_last_attempt() -> bool:
    """Return whether the running task is not retried after another fault of the servers."""
    task = app.current_worker_task
    return task is not None and task.request.retries >= RETRIES_MAX


def delivery_id() -> str | None:
    """Return the id of the running task, the same in each of its deliveries and retries, or None outside a worker."""
    task = app.current_worker_task
    return task.request.id if task else None
