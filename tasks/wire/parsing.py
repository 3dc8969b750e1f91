"""Parse the argument of a task, and name every bad field of a request."""

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_extra_types.currency_code import Currency as KnownCurrency

from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import INVALID
from tasks.wire.message import Message
from worker.printable import shown

Request = TypeVar("Request", bound=Message)
FIELD_PATH_LENGTH_MAX = 200
# Shown in the place of a key that the caller made up.
MADE_UP = "?"
# Of an unknown field to the field that is meant.
SIMILARITY_MIN = 0.8
# Looking for similar names takes a millisecond for each. Whoever sends more unknown fields has not misspelt them.
HINTED_MAX = 10
UNKNOWN = "extra_forbidden"
# Pydantic's own part of a path: the key, and not the value, is bad.
OF_KEY = "[key]"
WHOLE_REQUEST = "request"
# So many bad fields are told of a request. A caller that mends a hundred sees the others.
TOLD_MAX = 100
# So many errors are built, at a kilobyte each.
BUILT_MAX = 10_000


def parse(message: type[Request], request: object) -> Request:
    """Return the request as a message of that class. Raises InvalidRequest with the bad fields, up to a hundred."""
    try:
        return message.model_validate(request)
    except ValidationError as error:
        fault = error
    raise InvalidRequest(_errors_of(_few(fault, message, request), count=fault.error_count(), spell=message.spelling))


def shortened(errors: list[dict[str, str]], *, count: int, is_whole: bool = True) -> list[dict[str, str]]:
    """Return all errors if they are whole and not too many, or the first ones and one that tells their number."""
    if is_whole and len(errors) <= TOLD_MAX:
        return errors
    of_all = f"has {count} bad fields, of which only the first are told"
    return [*errors[:TOLD_MAX], {"field": WHOLE_REQUEST, "message": of_all}]


def argument_of(args: Sequence[Any], kwargs: dict[str, Any]) -> object:
    """Return the argument `request` of a task. Raises InvalidRequest if there are others or none."""
    if args or set(kwargs) != {WHOLE_REQUEST}:
        message = "must be the one argument, by keyword"
        raise InvalidRequest([{"field": WHOLE_REQUEST, "message": message}])
    return kwargs[WHOLE_REQUEST]


def _few(error: ValidationError, message: type[Message], request: object) -> ValidationError | None:
    """Return an error with few of the bad fields, or None. A dict is built of each, even if only some are told."""
    if error.error_count() <= BUILT_MAX:
        return error
    if not isinstance(request, dict):
        return None
    names = {*message.model_fields, *(each.alias for each in message.model_fields.values())}
    known = {name: request[name] for name in names & request.keys()}
    unknown = islice((item for item in request.items() if item[0] not in names), TOLD_MAX)
    try:
        message.model_validate({**known, **dict(unknown)})
    except ValidationError as fewer:
        return fewer if fewer.error_count() <= BUILT_MAX else None
    return None


def _errors_of(error: ValidationError | None, *, count: int, spell: Callable[[str], str]) -> list[dict[str, str]]:
    told: dict[tuple[str, str], int] = {}
    problems = error.errors(include_url=False, include_context=False, include_input=False) if error else []
    is_hinted = len(problems) <= HINTED_MAX
    for each in problems:
        field = _path(each["loc"], kind=each["type"], spell=spell)
        hint = _hint(each["loc"]) if is_hinted and each["type"] == UNKNOWN and field.endswith(MADE_UP) else ""
        message = _message(each["type"], each["msg"]) + hint
        # Unknown fields of one object are counted, not named.
        told[field, message] = told.get((field, message), 0) + 1
    errors = [
        {"field": field, "message": message if times == 1 else f"{message} ({times} times)"}
        for (field, message), times in told.items()
    ]
    return shortened(errors, count=count, is_whole=len(problems) == count)


def _path(location: tuple[int | str, ...], *, kind: str, spell: Callable[[str], str]) -> str:
    # If the default of a missing field is invalid, pydantic uses the Python name of the field.
    parts = [spell(part) if kind == INVALID and "_" in (part := str(each)) else shown_key(each) for each in location]
    return shown(".".join(parts), length_max=FIELD_PATH_LENGTH_MAX) or WHOLE_REQUEST


def shown_key(key: int | str) -> str:
    """Return a position or a key of a request as errors show it: a key that the caller made up only as `?`.

    A key may be a code or a name. Those of the contract and of ISO 4217 are no secret.
    """
    if isinstance(key, int) or key in contract_names() or key.upper() in KnownCurrency.allowed_currencies:
        return str(key)
    return MADE_UP


@cache
def contract_names() -> frozenset[str]:
    """Return the name of every field of every request, as it is spelt on the wire and in Python."""
    fields = ((name, field) for each in _messages_below(Message) for name, field in each.model_fields.items())
    return frozenset(spelt for name, field in fields for spelt in (name, field.alias) if spelt) | {OF_KEY}


def _messages_below(message: type[Message]) -> Iterator[type[Message]]:
    for each in message.__subclasses__():
        yield each
        yield from _messages_below(each)


def _hint(location: tuple[int | str, ...]) -> str:
    similar = get_close_matches(str(location[-1])[:FIELD_PATH_LENGTH_MAX], contract_names(), n=1, cutoff=SIMILARITY_MIN)
    return f": did you mean {similar[0]}?" if similar else ""


def _message(kind: str, text: str) -> str:
    match kind:
        case "extra_forbidden":
            return "is not a field of this request"
        case "missing":
            return "must be given"
        case "model_type":
            return "must be a JSON object"
        case _:
            return text
