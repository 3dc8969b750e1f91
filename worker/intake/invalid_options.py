"""Messages with an option of Celery that is invalid: to wait for too long, or to send other tasks.

A child fails such a message with InvalidRequest, so its caller is told whatever the result store is, and the answer is
counted. The message neither waits nor has an effect.
"""

from collections.abc import Mapping
from typing import Any

from celery import current_app
from kombu import Message

from worker.intake.delivery import InvalidOption
from worker.intake.envelope import EMBEDDED, ID_LENGTH_MAX, headers_of, options_of
from worker.queues import QUEUES, is_celerys, queue_of
from worker.settings import settings

# Marks a refused message for the child, and for the copy of it that may wait on RabbitMQ.
REFUSED = "scrip-refused"
# An `eta` may lie a day ahead. A minute more allows for the sender's clock.
WAIT_SECONDS_MAX = 86_400 + 60
ETA = "eta"
NO_ARGUMENTS = "[[], {}, {}]"
TOO_FAR = "must be at most a day ahead"
FORBIDDEN = "must not be sent with a task: SCRIP_ALLOW_CANVAS is off"
NOT_SENDABLE = "may only have tasks of the contract, and tasks with a queue of the sender's own"
# Of callbacks, of errbacks, and of what is left of a chain. One message must not become a flood.
FOLLOWERS_MAX = 100
# What a signature may have beside its task and its arguments. `queue` is checked.
OPTIONS = frozenset(
    {"queue", "priority", "task_id", "headers", "eta", "countdown", "expires", "ignore_result", "reply_to"}
    | {"root_id", "parent_id", "group_id", "group_index", "stamped_headers"}
)
# kombu's own keys on Redis and Valkey begin with these. A queue of such a name would be one of them.
KEYS_OF_KOMBU = ("_kombu", "unacked", "unreadable", "celery", "scrip", "/")


def invalid_option(message: Message, *, seconds_left: float | None) -> InvalidOption | None:
    """Return the first invalid option of a message, or None. `seconds_left` is None if the message is due now."""
    options = options_of(message)
    following = [name for name in EMBEDDED if options.get(name)]
    if following and not settings().allow_canvas:
        return InvalidOption(following[0], FORBIDDEN)
    for name in following:
        signatures = signatures_in(options[name])
        if len(signatures) > FOLLOWERS_MAX or not all(map(may_follow, signatures)):
            return InvalidOption(name, NOT_SENDABLE)
    if seconds_left is not None and seconds_left > WAIT_SECONDS_MAX:
        return InvalidOption(ETA, TOO_FAR)
    return None


def signatures_in(value: Any) -> list[Any]:
    """Return the signatures of a field of the protocol, which has one or a list of them."""
    return value if isinstance(value, list) else [value]


def may_follow(signature: Mapping[str, Any]) -> bool:
    """Return whether a sender may have a worker send this task.

    It is a task of the contract for its own queue, or any task for a queue that is not Scrip's. It is a plain task: a
    group or a chain in it would be taken apart by Celery's own code.
    """
    options = signature.get("options") or {}
    if signature.get("subtask_type") or not isinstance(options, Mapping) or not options.keys() <= OPTIONS:
        return False
    task, queue = signature["task"], options.get("queue")
    if is_celerys(task):
        return False
    if task in current_app.tasks:
        return queue is None or queue == queue_of(task)
    # kombu separates a queue and a priority by characters that are not printable.
    if not isinstance(queue, str) or not 1 <= len(queue) <= ID_LENGTH_MAX or not queue.isprintable():
        return False
    return queue not in QUEUES and not queue.startswith(KEYS_OF_KOMBU)


def refuse_invalid_options(message: Message, *, seconds_left: float | None) -> None:
    """Mark a message that has an invalid option: it does not wait, and nothing follows it."""
    invalid = noted_invalid_option(message.headers) or invalid_option(message, seconds_left=seconds_left)
    if invalid is None:
        return
    headers_of(message)[ETA] = None
    options = options_of(message)
    for name in EMBEDDED:
        if name in options:
            options[name] = None
    message.headers[REFUSED] = list(invalid)
    if isinstance(message.payload, list):
        # Where children are not processes, Celery itself decodes the body again.
        message.body, message.content_type, message.content_encoding = NO_ARGUMENTS, "application/json", "utf-8"


def noted_invalid_option(headers: Mapping[str, Any]) -> InvalidOption | None:
    """Return the invalid option in the headers of a message. A sender that writes one has its own message refused."""
    match headers.get(REFUSED):
        case [str() as field, str() as problem]:
            return InvalidOption(field, problem) if (field, problem) in KNOWN else None
        case _:
            return None


KNOWN = {(ETA, TOO_FAR), *((name, problem) for name in EMBEDDED for problem in (FORBIDDEN, NOT_SENDABLE))}
