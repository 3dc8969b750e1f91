"""One answer for each of the callers' ids, for ever: what was stored for them, and what a batch has decided since."""

from collections.abc import Callable, Mapping
from typing import Protocol

from sqlalchemy.orm import Session

from models.intake.write_answer import add_answer, find_answer
from tasks.wire.answers import Answer

# The project and the caller's own id.
CallerKey = tuple[str, str]


class FirstAnswers:
    """The answers of a batch with the fingerprints of the bodies that they belong to, by the caller's id."""

    def __init__(self, stored: Mapping[CallerKey, tuple[bytes, Answer]]) -> None:
        self._by_key = dict(stored)

    def replay(self, key: CallerKey, *, fingerprint: bytes, conflict: Callable[[], Answer]) -> Answer | None:
        """This method will return what this body was answered before, a conflict for another body, or None."""
        known = self._by_key.get(key)
        if known is None:
            return None
        return known[1] if known[0] == fingerprint else conflict()

    def knows(self, key: CallerKey) -> bool:
        """This method will tell whether anything was answered under the caller's id."""
        return key in self._by_key

    def add(self, key: CallerKey, *, fingerprint: bytes, answer: Answer) -> None:
        """This method will keep the first answer for an id."""
        self._by_key[key] = (fingerprint, answer)


class Write(Protocol):
    """A request that changes something and may carry its caller's own id."""

    @property
    def project(self) -> str:
        """This property will be the tenant."""

    @property
    def request_id(self) -> str | None:
        """This property will be the caller's own id, or None."""

    def fingerprint(self) -> bytes:
        """This method will return what two requests with the same body have in common."""


def answer_once(
    session: Session,
    request: Write,
    *,
    task: str,
    delivery: str | None,
    conflict: Callable[[], Answer],
    work: Callable[[], Answer],
) -> Answer:
    """This function will do the work once for each request id, store its answer, and answer the same for ever.

    Without a request id it is once for each delivery id, without either each time. Another body under the same id
    gets the conflict, which is not stored. Call it behind the locks of what the work changes. A unique violation
    means that somebody else stored the key at the same moment: run it again in a new transaction.
    """
    key = write_key(request, delivery=delivery)
    if key is None:
        return work()
    fingerprint = request.fingerprint()
    stored = find_answer(session, project=request.project, task=task, key=key)
    if stored is not None:
        answer: Answer = stored.answer
        return answer if stored.fingerprint == fingerprint else conflict()
    answer = work()
    add_answer(session, project=request.project, task=task, key=key, fingerprint=fingerprint, answer=answer)
    return answer


def write_key(request: Write, *, delivery: str | None) -> str | None:
    """This function will return by what a write is told from all others, or None where nothing tells it."""
    # Marked by its kind: no caller's id can be taken for that of a delivery.
    if request.request_id is not None:
        return f"request:{request.request_id}"
    return None if delivery is None else f"delivery:{delivery}"
