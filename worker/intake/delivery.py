"""The values that a worker and the children exchange: a delivery and an outcome for each message of a batch."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from worker.connection_work import ConnectionWork
from worker.signing.statement import Claim

# Stands for the death of a child in the search for a poison message: the child lives, but its connections to the
# database were lost again and again, although the database was there.
ENDS_CONNECTIONS = "its connections to the database were lost"


class InvalidOption(NamedTuple):
    """An option of a message for which it is refused, as the field of the protocol, and the problem."""

    field: str
    problem: str


class Original(NamedTuple):
    """A message as received, so that it can be kept as a dead letter and sent again."""

    # The queue of its task.
    queue: str
    headers: Mapping[str, Any]
    body: bytes
    content_type: str
    content_encoding: str

    def __repr__(self) -> str:
        return "(…)"


class Delivery(NamedTuple):
    """A message of a batch, as it is sent to a child."""

    id: str
    # As received: not validated yet.
    args: Any
    kwargs: Any
    retries: int
    # The broker has delivered the message before, and the worker did not acknowledge it.
    redelivered: bool
    wants_answer: bool
    group: str | None
    parent: str | None
    # Only for a message that may be given up at this delivery.
    original: Original | None
    # The fields of Celery's protocol about the tasks that follow, if there are any.
    followers: Mapping[str, Any] | None = None
    # The queue by which the message came, if it is that of other tasks.
    wrong_queue: str | None = None
    # The headers that carry the trace of its sender, if there are any.
    trace: Mapping[str, str] | None = None
    # Why the message is refused, if it is.
    invalid_option: InvalidOption | None = None
    # What its signature has to be over, if messages must be signed.
    claim: Claim | None = None
    # The task's name, or nothing for a message that is answered without a look at it.
    task: str = ""

    def __repr__(self) -> str:
        # Logs show the arguments of a call in a child.
        return f"{self.id}(…)"


class Fate(StrEnum):
    """The end of a message's run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # After a pause.
    TRY_AGAIN = "tryAgain"
    # As soon as the servers are back: they have no resources, or take no writes.
    AWAIT_SERVERS = "awaitServers"
    # The same, and the connection was lost.
    AWAIT_CONNECTION = "awaitConnection"


class Outcome(NamedTuple):
    """The outcome of a message, as a child returns it to the worker. The child has already stored the answer."""

    fate: Fate
    seconds: float = 0.0
    # For FAILED, Celery's record of the exception; for the others, the exception.
    error: Any = None
    # For SUCCEEDED, what logs and events show of the answer; for a refused signature, the reason.
    shown: str = ""


class Decided(NamedTuple):
    """What a child returns of a batch: the outcome of each message, and what it spent on connections."""

    outcomes: Sequence[Outcome]
    work: ConnectionWork


class GivenUp(Exception):
    """A message failed in all of its attempts. It is kept as a dead letter, and can be sent again."""
