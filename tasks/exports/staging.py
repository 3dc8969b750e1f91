"""The records of an export on disk, sorted by kind: vouchers have to be there before their codes and discounts.

A temporary database of SQLite, which vanishes with the process, keeps the memory constant.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any, NamedTuple, Self

# SQLite allows at least so many parameters of a statement.
KEYS_MAX = 900


class Staged(NamedTuple):
    """A record, and where it stands: the file, and the number of the record or of the line in it."""

    file: str
    number: int
    body: Any


class Staging:
    """The records of an export. `key` is the id of a record, `parent` that of the voucher it belongs to."""

    def __init__(self) -> None:
        # An empty name is a temporary database on disk.
        self._database = sqlite3.connect("", isolation_level=None)
        self.counts = Counter[str]()

    def __enter__(self) -> Self:
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE records (position INTEGER PRIMARY KEY, kind TEXT, file TEXT, number INTEGER, key TEXT,"
            " parent TEXT, body TEXT)"
        )
        self._database.execute("BEGIN")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, staged: Staged, *, kind: str, key: str, parent: str = "") -> None:
        """Keep a record."""
        self.counts[kind] += 1
        self._database.execute(
            "INSERT INTO records (kind, file, number, key, parent, body) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, staged.file, staged.number, key, parent, json.dumps(staged.body)),
        )

    def finish(self) -> None:
        """Index the records, after the last of them."""
        for name in ("key", "parent"):
            self._database.execute(f"CREATE INDEX by_{name} ON records (kind, {name}) WHERE {name} <> ''")

    def records(self, kind: str) -> Iterator[Staged]:
        """Yield the records of a kind in the order of the export."""
        rows = self._database.execute("SELECT file, number, body FROM records WHERE kind = ? ORDER BY position", [kind])
        with closing(rows):
            for file, number, body in rows:
                yield Staged(file, number, json.loads(body))

    def find(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """Return the bodies of records with these keys, the first of each key."""
        wanted, found = sorted(set(keys)), dict[str, Any]()
        for beginning in range(0, len(wanted), KEYS_MAX):
            some = wanted[beginning : beginning + KEYS_MAX]
            marks = ", ".join("?" * len(some))
            query = f"SELECT key, body FROM records WHERE kind = ? AND key <> '' AND key IN ({marks}) ORDER BY position"  # noqa: S608 - question marks only
            for key, body in self._database.execute(query, [kind, *some]):
                found.setdefault(key, json.loads(body))
        return found

    def count(self, kind: str, *, parent: str) -> int:
        """Return how many records of a kind with different keys belong to a parent."""
        query = "SELECT count(DISTINCT key) FROM records WHERE kind = ? AND parent <> '' AND parent = ?"
        number: int = self._database.execute(query, [kind, parent]).fetchone()[0]
        return number

    def of_parent(self, kind: str, *, parent: str, limit: int) -> list[Any]:
        """Return the bodies of the first records that belong to a parent."""
        query = "SELECT body FROM records WHERE kind = ? AND parent <> '' AND parent = ? ORDER BY position LIMIT ?"
        return [json.loads(body) for (body,) in self._database.execute(query, [kind, parent, limit])]
