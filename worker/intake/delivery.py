"""What a worker and its children tell each other of a batch: the messages, and what became of each of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Original(NamedTuple):
    """A message as it came, so that it can be kept and sent once more."""

    queue: str
    headers: Mapping[str, Any]
    body: bytes
    content_type: str
    content_encoding: str

    def __repr__(self) -> str:
        return "(…)"


class Delivery(NamedTuple):
    """One message of a batch, as a child needs to know it."""

    id: str
    # As they came: whether they make sense is not known yet.
    args: Any
    kwargs: Any
    retries: int
    # The broker has delivered it before: whoever had it then did not live to acknowledge it.
    redelivered: bool
    wants_answer: bool
    group: str | None
    parent: str | None
    # Of those only that may be given up at this delivery.
    original: Original | None

    def __repr__(self) -> str:
        # Logs show what is passed to a child.
        return f"{self.id}(…)"


class Fate(StrEnum):
    """What became of a message."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TRY_AGAIN = "tryAgain"


class Outcome(NamedTuple):
    """What became of one message, as the worker needs to know it. Its answer is stored already."""

    fate: Fate
    seconds: float = 0.0
    # Why it failed (Celery's own record of an exception), or why it is tried again (an exception).
    error: Any = None


class GivenUp(Exception):
    """A message could not be decided in all of its attempts. It is kept as a dead letter, and can be sent again."""
