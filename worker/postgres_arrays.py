"""How a Python list becomes a Postgres array: batches of rows travel as one array for each column."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.adapt import Buffer, Dumper


class ArrayDumper(Dumper):
    """A list as the text of an array, whose type the statement names.

    Psycopg's own dumpers go through a list element by element in Python, which was a fifth of all the client's
    time for a batch. A list holds elements of one type, and None; another type raises KeyError.
    """

    def dump(self, obj: Sequence[Any]) -> Buffer:
        """This method will return the array's text."""
        kinds = set(map(type, obj))
        present = obj
        if type(None) in kinds:
            kinds.remove(type(None))
            present = [each for each in obj if each is not None]
        texts = [_TEXTS[kind](present) for kind in kinds]
        if len(texts) > 1:
            raise TypeError("a list of one type is needed")
        return f"{{{','.join(_with_nulls(obj, texts=texts))}}}".encode()


def _with_nulls(values: Sequence[Any], *, texts: Sequence[Sequence[str]]) -> Iterable[str]:
    if texts and len(texts[0]) == len(values):
        return texts[0]
    present = iter(texts[0] if texts else ())
    return ["NULL" if each is None else next(present) for each in values]


def _strings(values: Sequence[str]) -> list[str]:
    joined = '"\n"'.join(values)
    # Nothing to escape, as in nearly every batch: what was put between them is all that there is.
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1) or joined.count("\n") != len(values) - 1:
        return ['"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in values]
    return f'"{joined}"'.split("\n")


def _identities(values: Sequence[UUID]) -> list[str]:
    return b"".join([each.int.to_bytes(16, "big") for each in values]).hex(",", 16).split(",")


def _days(values: Sequence[date]) -> list[str]:
    # A batch has few different ones.
    texts = {each: f'"{each.isoformat()}"' for each in set(values)}
    return [texts[each] for each in values]


_TEXTS: dict[type, Callable[[Any], list[str]]] = {
    str: _strings,
    bool: lambda values: ["t" if each else "f" for each in values],
    int: lambda values: list(map(str, values)),
    UUID: _identities,
    date: _days,
    datetime: _days,
    bytes: lambda values: [f'"\\\\x{each.hex()}"' for each in values],
}
