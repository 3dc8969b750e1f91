"""The errors that a caller sees, and the faults of the servers that are retried."""

from typing import TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from worker.database import ChangedMeanwhileError

Found = TypeVar("Found")
# Lost connections, locks and statements that ran out of time, deadlocks, a server that is restarting. An error
# at COMMIT leaves the effect unknown: the next run finds the stored answers, or does the work.
INFRASTRUCTURE_FAULTS = (OperationalError, InterfaceError, InternalError, PoolTimeoutError, ChangedMeanwhileError)


class InvalidRequest(ValueError):
    """The request cannot be understood. `errors` holds every bad field and what is wrong with it, never its value."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class NotFound(LookupError):
    """What the request names does not exist in its project."""


def found(row: Found | None, name: str) -> Found:
    """Return the row, or raise NotFound with the name of what was asked for."""
    if row is None:
        raise NotFound(name)
    return row


class Undecided(Exception):
    """A request could not be decided this time. What is said of it has nothing in it of what was sent."""
