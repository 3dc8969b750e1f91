"""Messages that were given up: kept with what they said, listed, sent again, discarded.

Whoever may read the database sees their bodies, codes and amounts included. What is kept as the reason never says
what was in a message: the type of an exception, the state and the constraint that the database names, and the place.
"""

import traceback
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from kombu import Producer
from kombu.serialization import dumps
from sqlalchemy import func
from sqlalchemy.orm import Session

from models.base import StoredRow
from models.intake.attempt import MessageKey, clear_attempts
from models.intake.dead_letter import (
    add_dead_letter,
    find_dead_letter,
    list_dead_letters,
    lock_dead_letter,
    remove_dead_letter,
)
from worker.app import app
from worker.database import transaction
from worker.intake.delivery import Original
from worker.intake.request import summary

CHECKOUT = Path(__file__).parents[2]
LISTED_MAX = 1_000
# A message that is sent again begins anew, and at once: it waited long enough.
FRESH_HEADERS = {"retries": 0, "eta": None, "expires": None}
# What Celery puts into a message beside the arguments: what comes after it.
EMBEDDED = ("callbacks", "errbacks", "chain", "chord")
CARRIED_HEADERS = ("id", "task", "root_id", "parent_id", "group", "ignore_result")
PROJECT_LENGTH_MAX = 255


class DeadLetterNotFound(LookupError):
    """There is no dead letter of that id."""


def list_newest(*, limit: int = LISTED_MAX) -> Sequence[StoredRow]:
    """This function will list the messages that were given up last, without their bodies."""
    with transaction() as session:
        return list_dead_letters(session, limit=limit)


def show(*, task_id: str) -> StoredRow:
    """This function will return one message with all that was in it, or raise DeadLetterNotFound."""
    with transaction() as session:
        found = find_dead_letter(session, task_id=task_id)
    if found is None:
        raise DeadLetterNotFound(task_id)
    return found


def retry(*, task_id: str) -> None:
    """This function will send a message again under its own id, with no attempts, or raise DeadLetterNotFound.

    It is removed once the broker has it: whatever happens in between, it is sent twice rather than never.
    """
    with transaction() as session:
        letter = _take_out(session, task_id=task_id)
        with app.producer_or_acquire() as producer:
            _publish(producer, letter)


def discard(*, task_id: str) -> None:
    """This function will remove a message for ever, or raise DeadLetterNotFound."""
    with transaction() as session:
        _take_out(session, task_id=task_id)


def give_up(*, key: MessageKey, task: str, original: Original, reason: str, attempts: int) -> None:
    """This function will keep a message as a dead letter; it is no longer under suspicion then."""
    project, task_id = key
    kept = {
        "project": project,
        "task_id": task_id,
        "digest": sha256(original.body).digest(),
        "task": task,
        "reason": reason,
        "attempts": attempts,
        "died_at": func.clock_timestamp(),
        **original._asdict(),
    }
    with transaction() as session:
        add_dead_letter(session, values=kept)
        clear_attempts(session, keys=[key])


def keep_running(*, reason: str, kwargs: Mapping[str, Any]) -> None:
    """This function will keep the message of the task that runs, so that it can be sent again when it is mended.

    It is put together anew from what the task was told of it: Celery keeps no message of a task that runs by itself.
    What asks for nothing in particular, as a sweep does, is asked for again by itself; nor is kept what a program of
    ours has called.
    """
    task = app.current_worker_task
    if task is None or not kwargs.get("request"):
        return
    context = task.request
    embedded = {name: context.get(name) for name in EMBEDDED}
    content_type, encoding, body = dumps([[], kwargs, embedded], serializer="json")
    headers = {name: context.get(name) for name in CARRIED_HEADERS}
    original = Original(
        queue=context.delivery_info["routing_key"],
        headers={**headers, "lang": "py", "argsrepr": "()", "kwargsrepr": summary(kwargs)},
        body=body.encode() if isinstance(body, str) else body,
        content_type=content_type,
        content_encoding=encoding,
    )
    key = message_key(kwargs, task_id=context.id)
    give_up(key=key, task=task.name, original=original, reason=reason, attempts=1)


def message_key(kwargs: object, *, task_id: str) -> MessageKey:
    """This function will return the project that a message names, which may be none, and its id."""
    request = kwargs.get("request") if isinstance(kwargs, Mapping) else None
    project = request.get("project") if isinstance(request, Mapping) else None
    is_one = isinstance(project, str) and len(project) <= PROJECT_LENGTH_MAX and project.isprintable()
    return (str(project) if is_one else "", task_id)


def reason_without_values(error: BaseException) -> str:
    """This function will say what went wrong and where, and nothing of what it went wrong with."""
    database_error = getattr(error, "orig", None)
    state = getattr(database_error, "sqlstate", None)
    constraint = getattr(getattr(database_error, "diag", None), "constraint_name", None)
    said = [type(error).__name__, state and f"SQLSTATE {state}", constraint, _place_of(error)]
    return ", ".join(each for each in said if each)


def _take_out(session: Session, *, task_id: str) -> StoredRow:
    letter = lock_dead_letter(session, task_id=task_id)
    if letter is None:
        raise DeadLetterNotFound(task_id)
    clear_attempts(session, keys=[(letter.project, task_id)])
    remove_dead_letter(session, project=letter.project, task_id=task_id, digest=letter.digest)
    return letter


def _place_of(error: BaseException) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(CHECKOUT) and ".venv" not in path.parts:
            return f"{path.relative_to(CHECKOUT)}:{frame.lineno}"
    return None


def _publish(producer: Producer, letter: StoredRow) -> None:
    queue = app.amqp.queues[letter.queue]
    producer.publish(
        letter.body,
        exchange="",
        routing_key=letter.queue,
        declare=[queue],
        headers={**letter.headers, **FRESH_HEADERS},
        content_type=letter.content_type,
        content_encoding=letter.content_encoding,
        correlation_id=letter.task_id,
        delivery_mode=2,
        retry=True,
        retry_policy=app.conf.task_publish_retry_policy,
    )
