"""Codes in CSV: what a cell shows, and which new code a line is.

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, and a customer's id may begin with any of them.
Such a cell gets an apostrophe in front, which reading takes away again. So the cells of a file are as they were.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, TextIO

from tasks.wire.errors import InvalidRequest

# The fields of a new code, which an import reads.
NEW_CODE_FIELDS = ("code", "customer", "maximumRedemptions", "maximumRedemptionsPerCustomer", "expiresAt")
LIMITS = ("maximumRedemptions", "maximumRedemptionsPerCustomer")
FIELDS = (*NEW_CODE_FIELDS, "redemptions", "status", "retiredReason", "createdAt", "id")
# The most codes that `vouchers.add_codes` takes. Another number would change the ids of interrupted imports.
CHUNK_SIZE = 1_000
FORMULA = re.compile(r"'*[=+\-@\t\r]")
PREFIXED_FORMULA = re.compile(r"'+[=+\-@\t\r]")


class Chunk(NamedTuple):
    """Codes that are added together, the line of the file that each is on, and the id of their request."""

    codes: list[dict[str, Any]]
    lines: list[int]
    request_id: str


def csv_lines(rows: Iterable[Sequence[object]], *, is_raw: bool) -> str:
    """Return rows in CSV. Unless the text is raw, no cell of it is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_shown(each, is_raw=is_raw) for each in row] for row in rows)
    return text.getvalue()


def code_row(code: dict[str, Any]) -> list[object]:
    """Return the cells of a code in the order of the fields."""
    return [code[name] for name in FIELDS]


def read_chunks(file: TextIO, *, voucher: str, ignores_others: bool) -> Iterator[Chunk]:
    """Yield the codes of a file in chunks. The same file has the same request ids, so it can be imported again.

    Raises InvalidRequest, which names the line, if the text is no CSV or has a column that is no field of a new code.
    """
    codes: list[dict[str, Any]] = []
    lines: list[int] = []
    number = 0
    for line, code in _new_codes(file, ignores_others=ignores_others):
        codes.append(code)
        lines.append(line)
        if len(codes) == CHUNK_SIZE:
            yield Chunk(codes, lines, _request_id(voucher, number, codes))
            codes, lines, number = [], [], number + 1
    if codes:
        yield Chunk(codes, lines, _request_id(voucher, number, codes))


def with_lines(error: InvalidRequest, chunk: Chunk) -> InvalidRequest:
    """Return the error over a chunk with the lines of the file in place of the positions in the request."""
    return InvalidRequest([{**each, "field": _with_line(each["field"], chunk)} for each in error.errors])


def _shown(value: object, *, is_raw: bool) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if not is_raw and FORMULA.match(text) else text


def _read(cell: str) -> str:
    return cell[1:] if PREFIXED_FORMULA.match(cell) else cell


def _new_codes(file: TextIO, *, ignores_others: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        _check_header(header, ignores_others=ignores_others)
        for cells in reader:
            # An empty line is none.
            if cells:
                if len(cells) != len(header):
                    raise InvalidRequest([_problem(reader.line_num, "must have as many cells as the header")])
                yield reader.line_num, _new_code(dict(zip(header, map(_read, cells), strict=True)))
    except csv.Error as error:
        raise InvalidRequest([_problem(reader.line_num, f"is not CSV: {error}")]) from None


def _check_header(header: list[str], *, ignores_others: bool) -> None:
    if "code" not in header or len(set(header)) < len(header):
        raise InvalidRequest([_problem(1, f"must name each column once, and code among them: {NEW_CODE_FIELDS}")])
    others = [name for name in header if name not in NEW_CODE_FIELDS]
    if others and not ignores_others:
        message = f"has columns that a new code has not (--ignore-other-columns leaves them out): {', '.join(others)}"
        raise InvalidRequest([_problem(1, message)])


def _new_code(cells: dict[str, str]) -> dict[str, Any]:
    code: dict[str, Any] = {name: cells[name] for name in NEW_CODE_FIELDS if cells.get(name)}
    for name in LIMITS:
        maximum = code.get(name, "")
        # Any other text is left as it is, and refused by the task.
        if maximum.isascii() and maximum.isdecimal():
            code[name] = int(maximum)
    return code


def _request_id(voucher: str, number: int, codes: list[dict[str, Any]]) -> str:
    content = json.dumps([voucher, number, codes], sort_keys=True)
    return f"import-{sha256(content.encode()).hexdigest()}"


def _problem(line: int, message: str) -> dict[str, str]:
    return {"field": f"line {line}", "message": message}


def _with_line(field: str, chunk: Chunk) -> str:
    name, _, rest = field.partition(".")
    position, _, rest = rest.partition(".")
    return f"line {chunk.lines[int(position)]}: {rest}" if name == "codes" and position.isdecimal() else field
