"""Build the request of a task from a file, from JSON on the command line, and from options."""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode

STANDARD_INPUT = "-"


def request_body(
    fields: dict[str, Any], *, file: str | None = None, merged: str | None = None, as_json: bool = False
) -> dict[str, Any]:
    """Return a request: first the file, then the JSON text, then the options, each over the ones before.

    A name of a field with dots is a path, and options that were not given are None.
    """
    body: dict[str, Any] = {}
    if file is not None:
        body = read_object(_text_of(file, as_json=as_json), source=file, as_json=as_json)
    if merged is not None:
        _merge(body, read_object(merged, source="--set", as_json=as_json))
    for path, value in fields.items():
        if value is not None and value != []:
            _put(body, path, value)
    return body


def read_object(text: str, *, source: str, as_json: bool = False) -> dict[str, Any]:
    """Return the JSON object in a text, or end the command. The source is named in the message."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        # The message of the error names a position, and no value.
        where = f" ({error})" if isinstance(error, json.JSONDecodeError) else ""
        raise ended(ExitCode.INVALID, f"{source} is not JSON{where}", as_json=as_json) from None
    if not isinstance(value, dict):
        raise ended(ExitCode.INVALID, f"{source} must be a JSON object", as_json=as_json)
    return value


def read_pair(text: str | None, *, as_json: bool) -> dict[str, Any] | None:
    """Return the JSON object of `--metadata`, or None if it was not given. Any other text ends the command."""
    return None if text is None else read_object(text, source="--metadata", as_json=as_json)


def _text_of(file: str, *, as_json: bool) -> str:
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ended(ExitCode.UNUSABLE, f"{file} cannot be read: {reason}", as_json=as_json) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _merge(body: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(body.get(name), dict):
            _merge(body[name], value)
        else:
            body[name] = value


def _put(body: dict[str, Any], path: str, value: object) -> None:
    outer, _, rest = path.partition(".")
    if not rest:
        body[outer] = value
        return
    if not isinstance(body.get(outer), dict):
        body[outer] = {}
    _put(body[outer], rest, value)
