"""Parse the argument of a task, and name every bad field of a request."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import INVALID
from tasks.wire.message import Message

Request = TypeVar("Request", bound=Message)
# The name of an unknown field comes from the caller, and may be of any length.
FIELD_PATH_LENGTH_MAX = 200
WHOLE_REQUEST = "request"


def parse(message: type[Request], request: object) -> Request:
    """Return the request as a message of that class. Raises InvalidRequest with every bad field."""
    try:
        return message.model_validate(request)
    except ValidationError as error:
        raise InvalidRequest(_errors_of(error, spell=message.spelling)) from None


def argument_of(args: Sequence[Any], kwargs: dict[str, Any]) -> object:
    """Return the argument `request` of a task. Raises InvalidRequest if there are others or none."""
    if args or set(kwargs) != {WHOLE_REQUEST}:
        message = "must be the one argument, by keyword"
        raise InvalidRequest([{"field": WHOLE_REQUEST, "message": message}])
    return kwargs[WHOLE_REQUEST]


def _errors_of(error: ValidationError, *, spell: Callable[[str], str]) -> list[dict[str, str]]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {"field": _path(each["loc"], kind=each["type"], spell=spell), "message": _message(each["type"], each["msg"])}
        for each in problems
    ]


def _path(location: tuple[int | str, ...], *, kind: str, spell: Callable[[str], str]) -> str:
    # If the default of a missing field is invalid, pydantic uses the Python name of the field.
    parts = [spell(part) if kind == INVALID and "_" in (part := str(each)) else str(each) for each in location]
    return ".".join(parts)[:FIELD_PATH_LENGTH_MAX] or WHOLE_REQUEST


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
