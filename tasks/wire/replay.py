"""Replays: every repetition of a request gets the first answer."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy.orm import Session

from models.write_answer import add_answer, find_answer
from tasks.wire.answers import Answer

# The project and an idempotency key: the caller's own id of a request or of an invoice.
CallerKey = tuple[str, str]


class AnswerTable(StrEnum):
    """The table that keeps the first answer of a task, or the reason why no table does."""

    CODE_GENERATIONS = "code_generations"
    HOLDS = "holds"
    IMPORTED_DISCOUNTS = "imported_discounts"
    INVOICE_DISCOUNTS = "invoice_discounts"
    REDEMPTIONS = "redemptions"
    USAGE_RECORDS = "usage_records"
    VOUCHERS = "vouchers"
    # For writes without a row of their own.
    WRITE_ANSWERS = "write_answers"
    STATE = "none: a repetition finds the work done"
    READS = "none: the task only reads"

    def is_table(self) -> bool:
        """Return whether a table keeps the answer."""
        return self not in {AnswerTable.STATE, AnswerTable.READS}


class FirstAnswers:
    """The first answers to the requests of a batch: stored before, or decided in the batch."""

    def __init__(self, stored: Mapping[CallerKey, tuple[bytes, Answer]]) -> None:
        self._by_key = dict(stored)

    def replay(self, key: CallerKey, *, fingerprint: bytes, conflict: Callable[[], Answer]) -> Answer | None:
        """Return the first answer to this body, the conflict if the key has another body, or None if the key is new."""
        known = self._by_key.get(key)
        if known is None:
            return None
        return known[1] if known[0] == fingerprint else conflict()

    def knows(self, key: CallerKey) -> bool:
        """Return whether a request with the key was answered."""
        return key in self._by_key

    def change(self, key: CallerKey, **fields: Any) -> None:
        """Change fields of the first answer for later repetitions, if the key is known."""
        if key in self._by_key:
            fingerprint, answer = self._by_key[key]
            self._by_key[key] = (fingerprint, {**answer, **fields})

    def add(self, key: CallerKey, *, fingerprint: bytes, answer: Answer) -> None:
        """Keep the first answer to a request."""
        self._by_key[key] = (fingerprint, answer)


# They keep a caller's id from matching the id of a delivery.
_REQUEST, _DELIVERY = "request:", "delivery:"


class Write(Protocol):
    """A request that changes rows and may carry an idempotency key."""

    @property
    def project(self) -> str:
        """The tenant."""

    @property
    def request_id(self) -> str | None:
        """The idempotency key, or None."""

    def fingerprint(self) -> bytes:
        """Return the hash of the body."""


def answer_once(
    session: Session,
    request: Write,
    *,
    task: str,
    delivery: str | None,
    conflict: Callable[[], Answer],
    work: Callable[[], Answer],
) -> Answer:
    """Do the work and store the answer, or return the stored answer if the request was answered before.

    The key of a request is the request id, or the delivery id if there is none. Without either, the work is done each
    time. Another body with the same key gets the conflict. Neither the conflict nor an answer that can be retried is
    stored. Lock the rows that the work changes before the call. Raises IntegrityError if a concurrent transaction
    stored the key: run the work again in a new one.
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
    if not answer.get("retryable"):
        add_answer(session, project=request.project, task=task, key=key, fingerprint=fingerprint, answer=answer)
    return answer


def write_key(request: Write, *, delivery: str | None) -> str | None:
    """Return the key under which the answer of a write is stored, or None if the write has neither kind of id."""
    if request.request_id is not None:
        return f"{_REQUEST}{request.request_id}"
    return None if delivery is None else f"{_DELIVERY}{delivery}"


def request_id_of(key: str | None) -> str | None:
    """Return the request id in a key of `write_key`, or None if there is none."""
    return key.removeprefix(_REQUEST) if key is not None and key.startswith(_REQUEST) else None
