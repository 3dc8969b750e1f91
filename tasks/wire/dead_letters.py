"""Dead letters: messages that were given up. They are kept, listed, shown, retried and discarded.

A dead letter has the whole message: anyone who may read the database sees codes and amounts. The reason shows no value
of the message, but the type of the exception, the SQLSTATE, the constraint, and the line of our code.
"""

import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from kombu import Producer
from kombu.serialization import dumps
from sqlalchemy import func
from sqlalchemy.orm import Session

from models.base import new_id
from models.intake.attempt import MessageKey, clear_attempts
from models.intake.dead_letter import (
    DeadLetterRow,
    ProjectDeadLetterRow,
    add_dead_letter,
    find_dead_letter,
    lock_dead_letter,
    remove_dead_letter,
)
from models.intake.dead_letter_selection import (
    ALL,
    DeadLetterFilter,
    list_dead_letters,
    lock_dead_letters,
    remove_dead_letters,
)
from worker.app import app
from worker.database import transaction
from worker.intake.delivery import Original
from worker.intake.envelope import is_plain
from worker.intake.shown_request import summary
from worker.own_signature import signature_header
from worker.queues import queue_of
from worker.schedule import PERIODIC

CHECKOUT = Path(__file__).parents[2]
LISTED_MAX = 1_000
# Their messages are in memory together.
RETRIED_TOGETHER = 100
# A retried dead letter begins anew: without retries, due at once, and without an expiry.
FRESH_HEADERS = {"retries": 0, "eta": None, "expires": None}
# The parts of a body in which Celery embeds the tasks that follow.
EMBEDDED = ("callbacks", "errbacks", "chain", "chord")
# The headers of a message that the running task still knows.
CARRIED_HEADERS = ("id", "task", "root_id", "parent_id", "group", "ignore_result")
PROJECT_LENGTH_MAX = 255


class DeadLetterNotFound(LookupError):
    """There is no dead letter with that task id."""


def list_newest(
    *, wanted: DeadLetterFilter = ALL, after: UUID | None = None, limit: int = LISTED_MAX
) -> Sequence[ProjectDeadLetterRow]:
    """Return the latest dead letters that are wanted, newest first, without their messages."""
    with transaction() as session:
        return list_dead_letters(session, wanted=wanted, after=after, limit=limit)


def show(*, task_id: str) -> DeadLetterRow:
    """Return a dead letter with the whole message. Raises DeadLetterNotFound if there is none."""
    with transaction() as session:
        found = find_dead_letter(session, task_id=task_id)
    if found is None:
        raise DeadLetterNotFound(task_id)
    return found


def retry(*, task_id: str) -> None:
    """Send the message of a dead letter again under the same id, with no attempts, and delete the dead letter.

    The deletion is committed after the broker has the message, so a failure in between cannot lose the message.
    Raises DeadLetterNotFound if there is no such dead letter.
    """
    with transaction() as session:
        letter = _take_out(session, task_id=task_id)
        with app.producer_or_acquire() as producer:
            _publish(producer, letter)


def retry_all(*, wanted: DeadLetterFilter, batch_size: int = RETRIED_TOGETHER) -> Iterator[list[str]]:
    """Send the wanted dead letters again, oldest first, and yield the task ids of each batch when it is committed.

    A batch is a transaction. If the broker is lost, its dead letters are all kept, and those that were sent already
    will be sent again: their second run has no effect. Messages that die meanwhile are not retried.
    """
    newest = list_newest(wanted=wanted, limit=1)
    while newest:
        with transaction() as session:
            letters = lock_dead_letters(session, wanted=wanted, newest=newest[0].id, limit=batch_size)
            with app.producer_or_acquire() as producer:
                for letter in letters:
                    _publish(producer, letter)
            clear_attempts(session, keys={(letter.project, letter.task_id) for letter in letters})
            remove_dead_letters(session, ids=[letter.id for letter in letters])
        if not letters:
            return
        yield [letter.task_id for letter in letters]


def discard(*, task_id: str) -> None:
    """Delete a dead letter for ever. Raises DeadLetterNotFound if there is none."""
    with transaction() as session:
        _take_out(session, task_id=task_id)


def give_up(*, key: MessageKey, task: str, original: Original, reason: str, attempts: int) -> None:
    """Store a message as a dead letter, and delete the attempts at it."""
    project, task_id = key
    kept = {
        "project": project,
        "task_id": task_id,
        "id": new_id(),
        "digest": sha256(original.body).digest(),
        "task": task,
        "reason": reason,
        "attempts": attempts,
        "died_at": func.clock_timestamp(),
        **original._asdict(),
        "headers": _as_json(original.headers),
    }
    with transaction() as session:
        add_dead_letter(session, values=kept)
        clear_attempts(session, keys=[key])


def keep_running(*, reason: str, kwargs: Mapping[str, Any]) -> None:
    """Store the message of the running task as a dead letter.

    The message is rebuilt from the task's context, because Celery does not keep it. That of a sweep or an audit is not
    stored, since beat will start the next one. Nor is the request of a task that a program calls as a function.
    """
    task = app.current_worker_task
    if task is None or task.name in PERIODIC or not kwargs.get("request"):
        return
    context = task.request
    embedded = {name: context.get(name) for name in EMBEDDED}
    content_type, encoding, body = dumps([[], kwargs, embedded], serializer="json")
    headers = {name: context.get(name) for name in CARRIED_HEADERS}
    original = Original(
        queue=queue_of(task.name),
        headers={**headers, "lang": "py", "argsrepr": "()", "kwargsrepr": summary(kwargs)},
        body=body.encode() if isinstance(body, str) else body,
        content_type=content_type,
        content_encoding=encoding,
    )
    key = message_key(kwargs, task_id=context.id)
    give_up(key=key, task=task.name, original=original, reason=reason, attempts=1)


def message_key(kwargs: object, *, task_id: str) -> MessageKey:
    """Return the project that a message names, or an empty text if there is no valid project, and the task id.

    The digest of an id takes its place if the database may not store the id: any program can write any text.
    """
    request = kwargs.get("request") if isinstance(kwargs, Mapping) else None
    project = request.get("project") if isinstance(request, Mapping) else None
    is_valid = isinstance(project, str) and len(project) <= PROJECT_LENGTH_MAX and project.isprintable()
    plain_id = task_id if is_plain(task_id) else sha256(task_id.encode(errors="surrogatepass")).hexdigest()
    return (str(project) if is_valid else "", plain_id)


def reason_without_values(error: BaseException) -> str:
    """Return the type of an error, the SQLSTATE, the constraint and the line of our code: never a value of the request.

    For logs, results and dead letters. `worker.database.driver_message` may show values.
    """
    database_error = getattr(error, "orig", None)
    state = getattr(database_error, "sqlstate", None)
    constraint = getattr(getattr(database_error, "diag", None), "constraint_name", None)
    parts = [type(error).__name__, state and f"SQLSTATE {state}", constraint, _line_of(error)]
    return ", ".join(each for each in parts if each)


def _as_json(headers: Mapping[str, Any]) -> Any:
    """Return headers with a text for each value that JSON has no form for. Celery's own headers have none."""
    return json.loads(json.dumps(headers, default=str, skipkeys=True), parse_constant=str)


def _take_out(session: Session, *, task_id: str) -> DeadLetterRow:
    letter = lock_dead_letter(session, task_id=task_id)
    if letter is None:
        raise DeadLetterNotFound(task_id)
    clear_attempts(session, keys=[(letter.project, task_id)])
    remove_dead_letter(session, project=letter.project, task_id=task_id, digest=letter.digest)
    return letter


def _line_of(error: BaseException) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(CHECKOUT) and ".venv" not in path.parts:
            return f"{path.relative_to(CHECKOUT)}:{frame.lineno}"
    return None


def _publish(producer: Producer, letter: DeadLetterRow) -> None:
    # An earlier version kept some with the queue by which they came.
    queue = app.amqp.queues[queue_of(letter.task)]
    headers = {**letter.headers, **FRESH_HEADERS}
    # The first signature may be too old by now. The operator answers for the message.
    signed = signature_header(headers=headers, body=bytes(letter.body), queue=queue.name)
    producer.publish(
        letter.body,
        exchange="",
        routing_key=queue.name,
        declare=[queue],
        headers={**headers, **signed},
        content_type=letter.content_type,
        content_encoding=letter.content_encoding,
        correlation_id=letter.task_id,
        delivery_mode=2,
        retry=True,
        retry_policy=app.conf.task_publish_retry_policy,
    )
