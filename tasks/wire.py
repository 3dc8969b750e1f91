"""From a Celery message to a use case and back: one parsed request in, one JSON object out.

Every task takes exactly one keyword argument, `request`. What is wrong with a request fails the task with
InvalidRequest; what is wrong with the servers is retried until they are back.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from celery import Task
from pydantic import ValidationError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from domain.value import value
from tasks.dead_letters import keep_running, reason_of
from tasks.fields import INVALID
from tasks.messages import Message
from worker.celery import RETRIES_MAX, RETRY_BACKOFF_MAX_SECONDS, app
from worker.db import ChangedMeanwhileError

Answer = dict[str, Any]
Request = TypeVar("Request", bound=Message)

# Lost connections, locks and statements that ran out of time, deadlocks, a server that is restarting. An error
# at COMMIT leaves the effect unknown: the next run finds the stored answers, or does the work.
INFRASTRUCTURE_FAULTS = (OperationalError, InterfaceError, InternalError, PoolTimeoutError, ChangedMeanwhileError)
RETRY_DELAY_SECONDS = 5
# A field name comes from the caller and may be of any length.
FIELD_PATH_LENGTH_MAX = 200
WHOLE_REQUEST = "request"
BATCHING = "worker.batching:strategy"


class InvalidRequest(ValueError):
    """The request cannot be understood. `errors` holds every bad field and what is wrong with it, never its value."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class NotFound(LookupError):
    """What the request names does not exist in its project."""


class Undecided(Exception):
    """A request could not be decided this time. What is said of it has nothing in it of what was sent."""


@value
class Batched(Generic[Request]):
    """How messages of a task are decided together: one transaction, one answer for each, in their order."""

    message: type[Request]
    decide: Callable[[Session, Sequence[Request]], list[Answer]]


def contract_task(
    name: str,
    *,
    message: type[Request],
    decide_together: Callable[[Session, Sequence[Request]], list[Answer]] | None = None,
) -> Callable[[Callable[[Request], Any]], Task]:
    """This function will make a Celery task of a use case, under the name that the contract gives it.

    With `decide_together`, a worker gathers its messages into batches.
    """
    batching: dict[str, Any] = {}
    if decide_together is not None:
        batching = {"Strategy": BATCHING, "batched": Batched(message=message, decide=decide_together)}

    def register(use_case: Callable[[Request], Any]) -> Task:
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return use_case(parse(message, request_of(args, kwargs)))
            except (InvalidRequest, NotFound):
                raise
            except INFRASTRUCTURE_FAULTS as error:
                if not is_last_attempt():
                    raise
                fault = reason_of(error)
            except Exception as error:  # noqa: BLE001 - a driver's error says what was sent, and would be logged
                fault = reason_of(error)
            # Where the database is away, the task runs again for that.
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
            Request="worker.request:Request",
            # An answer carries the voucher's code: it is for the caller, not for logs and events.
            resultrepr_maxsize=1,
            **batching,
        )(run)
        return task

    return register


def is_last_attempt() -> bool:
    """This function will tell whether the task that runs will not be tried again for a fault of the servers."""
    task = app.current_worker_task
    return task is not None and task.request.retries >= RETRIES_MAX


def delivery_id() -> str | None:
    """This function will return the id of the task that runs, the same in each of its deliveries and retries."""
    task = app.current_worker_task
    return task.request.id if task else None


def parse(message: type[Request], request: object) -> Request:
    """This function will return the request as its message, or raise InvalidRequest with every bad field."""
    try:
        return message.model_validate(request)
    except ValidationError as error:
        raise InvalidRequest(_errors_of(error, spell=message.spelling)) from None


def request_of(args: Sequence[Any], kwargs: dict[str, Any]) -> object:
    """This function will return the one argument of a task, or raise InvalidRequest."""
    if args or set(kwargs) != {WHOLE_REQUEST}:
        message = "must be the one argument, by keyword"
        raise InvalidRequest([{"field": WHOLE_REQUEST, "message": message}])
    return kwargs[WHOLE_REQUEST]


def answer_each(
    items: Sequence[object], *, message: type[Request], decide: Callable[[list[Request]], list[Answer]]
) -> Answer:
    """This function will answer each item of a bulk request in its place; a bad item alone is answered as invalid."""
    parsed = [_parse_item(message, item) for item in items]
    decided = iter(decide([each for each in parsed if not isinstance(each, InvalidRequest)]))
    answers = [_invalid_answer(each) if isinstance(each, InvalidRequest) else next(decided) for each in parsed]
    return {"object": "list", "items": answers}


def _parse_item(message: type[Request], item: object) -> Request | InvalidRequest:
    try:
        return parse(message, item)
    except InvalidRequest as error:
        return error


def _invalid_answer(error: InvalidRequest) -> Answer:
    return {"outcome": "invalid", "errors": error.errors}


def _errors_of(error: ValidationError, *, spell: Callable[[str], str]) -> list[dict[str, str]]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {"field": _path(each["loc"], kind=each["type"], spell=spell), "message": _message(each["type"], each["msg"])}
        for each in problems
    ]


def _path(location: tuple[int | str, ...], *, kind: str, spell: Callable[[str], str]) -> str:
    # Where a field was left out and its default is wrong, pydantic names it as it is called inside.
    parts = [spell(part) if kind == INVALID and "_" in (part := str(each)) else str(each) for each in location]
    return ".".join(parts)[:FIELD_PATH_LENGTH_MAX] or WHOLE_REQUEST


def _message(kind: str, text: str) -> str:
    match kind:
        case "extra_forbidden":
            return "is not a field of this request"
        case "missing":
            return "must be given"
        case "model_type":
            return "must be a JSON object"
        case _:
            return text
