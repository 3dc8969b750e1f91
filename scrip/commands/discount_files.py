"""Discounts of another system in JSON Lines: a request of `discounts.import` on each line."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TextIO

from scrip.commands.use_cases import call

# The most discounts that `discounts.import_many` takes.
CHUNK_SIZE = 1_000
Answer = dict[str, Any]


class Line(NamedTuple):
    """A line of the file with its number, and the request that it holds, or whatever else stands there."""

    number: int
    request: Any


def read_lines(file: TextIO, *, beside: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a file that are not blank. A request gets the fields `beside` that it does not name."""
    for number, text in enumerate(file, start=1):
        if text.strip():
            yield Line(number, _request(text, beside=beside))


def import_lines(
    lines: Iterator[Line], *, project: str, counts: Counter[str], report: Callable[[int], None]
) -> Iterator[Answer]:
    """Import the discounts of a file in chunks, and yield the answer to each that was not imported, with its line.

    `counts` gets the number of each outcome.
    """
    while chunk := list(islice(lines, CHUNK_SIZE)):
        for line, answer in zip(chunk, _answers(chunk, project=project), strict=True):
            counts[answer["outcome"]] += 1
            if answer["outcome"] != "imported":
                yield {"line": line.number, **answer}
        report(counts.total())


def _answers(chunk: Iterable[Line], *, project: str) -> list[Answer]:
    requests = [None if _is_of_another(each.request, project=project) else each.request for each in chunk]
    answers: list[Answer] = call("discounts.import_many", {"requests": requests})["items"]
    return [
        _other_project() if _is_of_another(each.request, project=project) else answer
        for each, answer in zip(chunk, answers, strict=True)
    ]


def _request(text: str, *, beside: Mapping[str, Any]) -> Any:
    try:
        request = json.loads(text)
    except ValueError:
        # No request, so the answer says that it must be a JSON object.
        return None
    return {**beside, **request} if isinstance(request, dict) else request


def _is_of_another(request: Any, *, project: str) -> bool:
    return isinstance(request, dict) and request.get("project") != project


def _other_project() -> Answer:
    error = {"field": "project", "message": "must be the one of the command"}
    return {"outcome": "invalid", "errors": [error]}
