"""Checks that a message follows Celery's protocol, version 1 or 2, before Celery reads the message."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from kombu import Message
from kombu.exceptions import ContentDisallowed, DecodeError

from worker.broker.decompression import UNDEFINED, TooLarge, require_size
from worker.broker.due_times import instant_of
from worker.broker.fetch_script import UNREADABLE, VALUES_MAX
from worker.intake.delivery import Original
from worker.queues import queue_of
from worker.retry_limits import RETRIES_MAX

# The fields of Celery's protocol about the tasks that follow a message.
EMBEDDED = ("callbacks", "errbacks", "chain", "chord")
# The fields that describe a task. In a message that has them in its headers and in its body, the headers count.
DESCRIBING = ("eta", "expires", "retries", "timelimit", "group", "root_id", "parent_id", "origin", "shadow", "lang")
# A caller's ids that Celery shows. `shadow` is another name for the task.
SHOWN_IDS = ("group", "root_id", "parent_id", "origin", "correlation_id", "reply_to")
UNDECODABLE = "its body cannot be decoded"
# Our own messages have six levels. Pickling a message for a child fails at about 500 levels, and ends the worker.
LEVELS_MAX = 100
# Our own and Celery's ids are far shorter. Ids are stored in tables.
ID_LENGTH_MAX = 255
# Far longer than any task of ours needs. A huge number would overflow a timer.
LIMIT_SECONDS_MAX = 86_400


def is_plain(task_id: object) -> TypeGuard[str]:
    """Return whether a task id can be a key and be logged: any program can write any id into a queue."""
    return (
        isinstance(task_id, str) and 1 <= len(task_id) <= ID_LENGTH_MAX and task_id.isascii() and task_id.isprintable()
    )


def is_storable(task_id: object) -> TypeGuard[str]:
    """Return whether a task id can be a key of the result store, even if it is not shown."""
    return isinstance(task_id, str) and 1 <= len(task_id) <= ID_LENGTH_MAX and _is_encodable(task_id)


def problem_of(message: Message) -> str | None:
    """Return the reason why a message does not follow Celery's protocol, or None if it does.

    An unexpected value in a message ends Celery's worker. The message would then be redelivered to the next worker.
    """
    if message.content_encoding == UNDEFINED:
        return UNDECODABLE
    if problem := problem_of_body(message.body):
        return problem
    try:
        body = message.payload
    except (DecodeError, ContentDisallowed):
        return "its body is not JSON"
    except (LookupError, *UNREADABLE):
        return UNDECODABLE
    if _is_deeper_than(LEVELS_MAX, [body, message.headers]):
        return "it is nested too deeply"
    if isinstance(body, dict) and headers_of(message) is message.headers:
        # Otherwise Celery would take what is missing from the body, unchecked.
        message.headers.update({name: body.get(name) for name in DESCRIBING if name not in message.headers})
    problem = _problem_of_headers(headers_of(message))
    if problem is None and not _are_arguments(body):
        problem = "its body is not arguments, keyword arguments and options"
    return problem


def problem_of_body(body: object) -> str | None:
    """Return the reason why a body is not decoded, or None. The time and the memory do not depend on the values."""
    # The body of an envelope can be any JSON value.
    if not isinstance(body, str | bytes | bytearray | memoryview) or not _is_encodable(body):
        return UNDECODABLE
    try:
        require_size(body)
    except TooLarge as error:
        return str(error)
    if values_at_most(body) > VALUES_MAX:
        return f"it has more than {VALUES_MAX} values"
    return None


def values_at_most(body: Any) -> int:
    """Return a number that the values of a JSON text do not exceed, without parsing it. Texts in it may count too."""
    if isinstance(body, str):
        return sum(map(body.count, ",[{"))
    return sum(map(bytes(body).count, (b",", b"[", b"{")))


def headers_of(message: Message) -> Any:
    """Return the fields that describe the task: the headers, or the body in version 1 of the protocol."""
    return message.headers if "task" in message.headers else message.payload


def options_of(message: Message) -> dict[str, Any]:
    """Return the fields of a valid message that say which tasks follow it."""
    payload = message.payload
    options: dict[str, Any] = payload if isinstance(payload, dict) else payload[2] or {}
    return options


def show_only_ids(message: Message) -> None:
    """Remove what a sender could have shown beside its ids: another name of the task, and ids that are texts."""
    headers = headers_of(message)
    for fields in (headers, message.properties):
        for name in SHOWN_IDS:
            if name in fields and not is_plain(fields[name]):
                fields[name] = None
    if "shadow" in headers:
        headers["shadow"] = None


def original_of(message: Message) -> Original:
    """Return a message as it was received, except that the body is not compressed, and a text is in UTF-8."""
    body, encoding = message.body, message.content_encoding or "utf-8"
    return Original(
        # It may have come by Celery's own default queue.
        queue=queue_of(headers_of(message)["task"]),
        # kombu has decompressed the body.
        headers={name: value for name, value in message.headers.items() if name != "compression"},
        body=body.encode() if isinstance(body, str) else bytes(body),
        content_type=message.content_type,
        # py-amqp has decoded a text.
        content_encoding="utf-8" if isinstance(body, str) else encoding,
    )


def _problem_of_headers(headers: object) -> str | None:
    if not isinstance(headers, Mapping) or not all(
        isinstance(headers.get(name), str) and headers[name] for name in ("id", "task")
    ):
        return "it has no id or names no task"
    if not is_plain(headers["id"]):
        return "its id is not 1 to 255 printable characters of ASCII"
    if not _are_limits(headers.get("timelimit")) or not _is_count(headers.get("retries")):
        return "its time limits or its retries are no numbers"
    if not _are_times(headers.get("eta"), headers.get("expires")) or not _is_instant(headers.get("eta")):
        return "its eta or its expiry is no timestamp"
    if not _are_stamps(headers.get("stamped_headers"), headers.get("stamps")):
        return "its stamps are not names with their values"
    return None


def _is_encodable(body: object) -> bool:
    # Some encodings can write half a surrogate pair, which UTF-8 cannot.
    try:
        return not isinstance(body, str) or body.isascii() or bool(body.encode())
    except UnicodeEncodeError:
        return False


def _is_deeper_than(levels: int, values: list[Any]) -> bool:
    for _ in range(levels):
        inner = [
            list(each.values()) if isinstance(each, dict) else each for each in values if type(each) in {dict, list}
        ]
        if not inner:
            return False
        values = [value for each in inner for value in each]
    return True


def _are_arguments(body: object) -> bool:
    match body:
        case [list(), dict(), None] | {"args": list(), "kwargs": dict()}:
            return True
        case [list(), dict(), dict() as options]:
            return _is_followed_by_tasks(options)
        case _:
            return False


def _is_followed_by_tasks(options: Mapping[str, Any]) -> bool:
    # Celery reads these after the task has had its effect, and would report the task as failed.
    followers = [options.get(name) or [] for name in EMBEDDED[:3]]
    chord = options.get("chord")
    return all(isinstance(each, list) and all(map(_is_signature, each)) for each in followers) and (
        chord is None or _is_signature(chord)
    )


def _is_signature(follower: object) -> bool:
    return isinstance(follower, dict) and isinstance(follower.get("task"), str)


def _are_limits(limits: object) -> bool:
    match limits:
        case None:
            return True
        case [None | int() | float(), None | int() | float()]:
            return all(each is None or 0 <= each <= LIMIT_SECONDS_MAX for each in limits)
        case _:
            return False


def _is_count(retries: object) -> bool:
    return retries is None or (isinstance(retries, int) and 0 <= retries <= RETRIES_MAX)


def _are_times(*times: object) -> bool:
    # Celery itself fails a message with a text that is no time. But Celery first takes an empty text for no time, and
    # stops later.
    return all(each is None or (isinstance(each, str) and each) for each in times)


def _is_instant(eta: object) -> bool:
    # Celery reads texts that we do not, and would keep such a message in the worker until it is due.
    return eta is None or instant_of(eta) is not None


def _are_stamps(names: object, stamps: object) -> bool:
    match names, stamps:
        case None | list(), None | dict():
            return all(isinstance(each, str) for each in names or ())
        case _:
            return False
