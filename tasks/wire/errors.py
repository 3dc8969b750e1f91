"""The errors that a caller sees, and the faults of the servers that are retried."""

from typing import TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from worker.database import ChangedMeanwhileError
from worker.intake.delivery import InvalidOption
from worker.queues import queue_of
from worker.signing.verification import NotAllowed

Found = TypeVar("Found")
# Lost connections, timeouts of locks and statements, deadlocks, a server that restarts. After an error at COMMIT the
# effect is unknown: the next attempt finds the stored answers, or does the work. `worker.database` raises faults that
# never pass as another class.
INFRASTRUCTURE_FAULTS = (OperationalError, InterfaceError, InternalError, PoolTimeoutError, ChangedMeanwhileError)


class InvalidRequest(ValueError):
    """The request has bad fields. `errors` names each field and the problem, and never shows a value."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class NotFound(LookupError):
    """The row that the request names does not exist in the project."""


class WrongQueue(LookupError):
    """The message came by the queue of other tasks. The text names the right queue."""


def require_right_queue(task: str, *, came_by_wrong: str | None) -> None:
    """Raise WrongQueue if a message of the task came by the queue of other tasks, which is given then."""
    if came_by_wrong is not None:
        raise WrongQueue(f"{task} came by the queue {came_by_wrong}, and nothing was done: send it to {queue_of(task)}")


def require_valid_options(invalid: InvalidOption | None) -> None:
    """Raise InvalidRequest if the worker has refused a message for an option of Celery."""
    if invalid is not None:
        raise InvalidRequest([{"field": invalid.field, "message": invalid.problem}])


# These fail a task for good, and are never retried.
SENDERS_FAULTS = (InvalidRequest, NotFound, WrongQueue, NotAllowed)


def found(row: Found | None, name: str) -> Found:
    """Return the row. Raises NotFound with the name of the kind of row if there is none."""
    if row is None:
        raise NotFound(name)
    return row


class Undecided(Exception):
    """A request could not be decided this time. The message shows no value of the request."""
