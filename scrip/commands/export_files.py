"""The records in a file of an export: JSON Lines, or the answers of a list as they came, of any size.

A list answer is an object whose records are in one of its fields, or an array. Several may follow each other, as pages
do, and so may records over several lines. Only one record is in memory.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

# The fields of list answers that have the records.
LIST_FIELDS = frozenset({"data", "items", "coupons", "applied_coupons", "subscriptions", "vouchers", "discounts"})
# How a list answer begins: an array, `"object": "list"`, or a field that no record begins with.
LIST_BEGINNING = re.compile(
    r'\s*(?:\[|\{\s*"(?:object"\s*:\s*"list"|(?:data|items|coupons|applied_coupons|subscriptions|vouchers)"\s*:\s*\['
    r"|pagination\"|meta\"|has_more\"|url\"|moreItems))"
)
# How a record begins that is spread over several lines.
INDENTED_BEGINNING = re.compile(r"\s*\{[ \t]*\r?\n")
CHUNK_SIZE = 65_536
# Enough for the beginning of a list answer.
BEGINNING_LENGTH = 1_024
# Many times the largest object that any of these systems sends. A longer text is no record.
RECORD_LENGTH_MAX = 4_194_304
BLANKS = " \t\r\n"
TOO_LONG = "is longer than any record"
_decoder = json.JSONDecoder()


class FileRecord(NamedTuple):
    """A record with its number: the line in JSON Lines, or else the position. `body` is None if it is no JSON."""

    number: int
    body: Any


class UnreadableExportError(ValueError):
    """A file is no JSON from some place on. The text says where."""


def read_records(file: TextIO) -> Iterator[FileRecord]:
    """Yield the records of a file. Raises UnreadableExportError if a list answer breaks off or is no JSON."""
    text = _Text(file)
    text.fill()
    if LIST_BEGINNING.match(text.rest) or INDENTED_BEGINNING.match(text.rest):
        for number, body in enumerate(_values(text), start=1):
            yield FileRecord(number, body)
    else:
        yield from _lines(text)


def _lines(text: "_Text") -> Iterator[FileRecord]:
    number = 0
    while (line := text.line()) is not None:
        number += 1
        if line.strip():
            yield FileRecord(number, _parsed(line))


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _values(text: "_Text") -> Iterator[Any]:
    """Yield the records of list answers, and records, that follow each other."""
    while (mark := text.mark()) is not None:
        if mark == "[":
            yield from _array(text)
        elif mark != "{":
            raise text.unreadable()
        elif LIST_BEGINNING.match(text.ahead()):
            yield from _object(text)
        else:
            yield text.value()


def _object(text: "_Text") -> Iterator[Any]:
    has_list = False
    text.skip()
    while (mark := text.mark()) != "}":
        if mark == ",":
            text.skip()
            continue
        name = text.value()
        if not isinstance(name, str) or text.mark() != ":":
            raise text.unreadable()
        text.skip()
        if name in LIST_FIELDS and text.mark() == "[":
            has_list = True
            yield from _array(text)
        else:
            text.value()
    if not has_list:
        raise text.without_list()
    text.skip()


def _array(text: "_Text") -> Iterator[Any]:
    text.skip()
    while (mark := text.mark()) != "]":
        if mark == ",":
            text.skip()
        else:
            yield text.value()
    text.skip()


class _Text:
    """The text of a file, of which the part is in memory that is not read yet."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.rest = ""
        self.position = 0
        self.read = 0
        self.is_whole = False

    def fill(self) -> bool:
        """Read on, and return whether there was more."""
        if len(self.rest) - self.position > RECORD_LENGTH_MAX:
            raise UnreadableExportError(f"the record at character {self.read + self.position + 1} {TOO_LONG}")
        more = self.file.read(CHUNK_SIZE)
        self.read += self.position
        self.rest, self.position = self.rest[self.position :] + more, 0
        self.is_whole = not more
        return bool(more)

    def line(self) -> str | None:
        """Return the next line, or None at the end."""
        while (end := self.rest.find("\n", self.position)) < 0 and not self.is_whole:
            self.fill()
        if end < 0:
            end = len(self.rest)
            if self.position >= end:
                return None
        line = self.rest[self.position : end]
        self.position = end + 1
        return line

    def mark(self) -> str | None:
        """Return the next character that is no blank, or None at the end."""
        while True:
            while self.position < len(self.rest) and self.rest[self.position] in BLANKS:
                self.position += 1
            if self.position < len(self.rest):
                return self.rest[self.position]
            if not self.fill():
                return None

    def ahead(self) -> str:
        """Return the beginning of what comes next."""
        while len(self.rest) - self.position < BEGINNING_LENGTH and self.fill():
            pass
        return self.rest[self.position : self.position + BEGINNING_LENGTH]

    def skip(self) -> None:
        """Go on after the character of `mark`."""
        self.position += 1

    def value(self) -> Any:
        """Return the next value. A number at the end of what was read may go on, so another character must follow."""
        self.mark()
        while True:
            try:
                value, end = _decoder.raw_decode(self.rest, self.position)
            except RecursionError:
                raise self.unreadable() from None
            except ValueError:
                if not self.fill():
                    raise self.unreadable() from None
                continue
            if end < len(self.rest):
                self.position = end
                return value
            if not self.fill():
                self.position = len(self.rest)
                return value

    def unreadable(self) -> UnreadableExportError:
        """Return the error about this place."""
        return UnreadableExportError(f"is no JSON at character {self.read + self.position + 1}")

    def without_list(self) -> UnreadableExportError:
        """Return the error about a list answer that ends here."""
        return UnreadableExportError(
            f"has a list answer without records until character {self.read + self.position + 1}"
        )
