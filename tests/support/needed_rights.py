"""The rights on tables that the statements of a transaction need, as PostgreSQL itself tells them with its plans."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection
from sqlalchemy import event

from worker.database import engine

# PostgreSQL 18 breaks the lines of a plan anywhere.
_NEEDED = re.compile(
    r":relid\s+(\d+)\s+:inh\s+\w+\s+:requiredPerms\s+(\d+)\s+:checkAsUser\s+\d+\s+:selectedCols\s+\([^)]*\)\s+"
    r":insertedCols\s+\([^)]*\)\s+:updatedCols\s+\(b([\s\d]*)\)"
)
_VERBS = {1: "INSERT", 2: "SELECT", 4: "UPDATE", 8: "DELETE"}
# The numbers of columns begin with that of the lowest system column, in PostgreSQL's sets of columns.
_FIRST_COLUMN = 7
# A foreign key looks with the rights of the owner.
_OF_A_FOREIGN_KEY = 'SQL statement "SELECT 1 FROM ONLY'
_TELL_PLANS = "SET client_min_messages = log; SET debug_print_plan = on; SET debug_pretty_print = off"
_COLUMNS = """
    SELECT attrelid::int, attnum::int, relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
"""


class Right(NamedTuple):
    """A right on a table, or an UPDATE of a column of it. A lock of rows is an UPDATE without a column."""

    table: str
    verb: str
    column: str | None = None


@contextmanager
def needed_rights() -> Iterator[set[Right]]:
    """Yield the rights that the statements of this process turn out to need, on new connections."""
    engine().dispose()
    found: set[Right] = set()
    made = engine()

    def listen(connection: Connection, _record: object) -> None:
        connection.autocommit = True
        columns = {row[:2]: row[2:] for row in connection.execute(_COLUMNS).fetchall()}
        connection.execute(_TELL_PLANS)
        connection.autocommit = False
        connection.add_notice_handler(lambda notice: found.update(_rights(notice, columns)))

    event.listen(made, "connect", listen)
    try:
        yield found
    finally:
        event.remove(made, "connect", listen)
        made.dispose()


def _rights(notice: Any, columns: dict[tuple[int, int], tuple[str, str]]) -> Iterator[Right]:
    if (notice.context or "").startswith(_OF_A_FOREIGN_KEY):
        return
    tables = {table: name for (table, _), (name, _) in columns.items()}
    for table, verbs, updated in _NEEDED.findall(notice.message_detail or ""):
        # Temporary tables and PostgreSQL's own are no concern of ours.
        if int(table) not in tables:
            continue
        for bit, verb in _VERBS.items():
            if int(verbs) & bit and verb != "UPDATE":
                yield Right(tables[int(table)], verb)
            elif int(verbs) & bit:
                numbers = [int(each) - _FIRST_COLUMN for each in updated.split()]
                names = [columns[int(table), number][1] for number in numbers]
                yield from (Right(tables[int(table)], verb, name) for name in names or (None,))
