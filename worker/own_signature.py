"""The signatures of Scrip's own messages: those of beat, dead letters that are sent again, and Celery's retries.

The tasks that follow a message, such as callbacks, get none: a sender could have any task signed that way.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from time import time
from typing import Any

from celery.signals import beat_embedded_init, beat_init, before_task_publish
from kombu.serialization import dumps

from worker.settings import settings
from worker.signing.secret_file import UnusableFileError
from worker.signing.signing_key import SigningKey, read_signing_key
from worker.signing.statement import HEADER, claim_of

_signs: ContextVar[bool] = ContextVar("signs", default=False)


class NoSigningKeyError(Exception):
    """Messages must be signed, and this process has no key. The text is one line that says how to give it one."""


def problem_of_own_key() -> str | None:
    """Return the reason why this process could not send messages that are answered, or None if it could."""
    values = settings()
    try:
        if values.signing_key_file is not None:
            _key(values.signing_key_file)
            return None
    except UnusableFileError as error:
        return f"SCRIP_SIGNING_KEY_FILE cannot be used: {error}"
    return "SCRIP_SIGNERS_FILE is set, so SCRIP_SIGNING_KEY_FILE is required" if values.signers_file else None


@contextmanager
def signing() -> Iterator[None]:
    """Sign whatever this thread sends by Celery, if this process has a key."""
    token = _signs.set(True)
    try:
        yield
    finally:
        _signs.reset(token)


def signature_header(*, headers: Mapping[str, Any], body: bytes, queue: str) -> dict[str, str]:
    """Return the header that signs a message with Scrip's own key, or none if no messages have to be signed.

    Raises NoSigningKeyError if this process has no key that can be used.
    """
    if problem := problem_of_own_key():
        raise NoSigningKeyError(problem)
    path = settings().signing_key_file
    if path is None:
        return {}
    fields = headers if "task" in headers else json.loads(body)
    claim = claim_of(headers=headers, fields=fields, queue=queue, body=body, encoding=None)
    return {HEADER: _key(path).header(claim, issued=int(time()))}


@beat_init.connect(weak=False)
@beat_embedded_init.connect(weak=False)
def sign_schedule(**_: Any) -> None:
    """Sign all that beat sends. End beat before its start if its messages would not be answered."""
    if problem := problem_of_own_key():
        raise SystemExit(f"scrip: beat cannot sign its messages: {problem}")
    _signs.set(True)


@before_task_publish.connect(weak=False)
def sign_own(*, body: Any, headers: dict[str, Any], routing_key: str, **_: Any) -> None:
    """Add the signature to a message that this process sends of its own accord."""
    if _signs.get():
        *_, text = dumps(body, serializer="json")
        # A message that waits on RabbitMQ has a longer routing key, which ends with its queue.
        queue = routing_key.rpartition(".")[2]
        headers.update(signature_header(headers=headers, body=text.encode(), queue=queue))


@cache
def _key(path: str) -> SigningKey:
    return read_signing_key(path)
