"""Recorders for the SQL statements of a piece of work: their number, their plans, and the rows that they read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event, text

from tests.support.administrator import administrators_engine
from worker.database import engine


@contextmanager
def counted() -> Iterator[list[str]]:
    """Yield a list that collects every statement."""
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_) -> None:
        statements.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine(), "before_cursor_execute", note)


@contextmanager
def meanwhile(work: Callable[[], object], *, before: str) -> Iterator[None]:
    """Do some work, in a transaction of its own, before the first statement with that text."""
    left = [work]

    def note(_connection, _cursor, statement, *_) -> None:
        if before in statement and left:
            left.pop()()

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine(), "before_cursor_execute", note)
    assert not left


SCANS = ("Seq Scan", "Bitmap", "Merge Join", "Hash Join")


READING_OR_WRITING = ("SELECT", "INSERT", "UPDATE", "WITH")


@contextmanager
def explained(*, beginnings: tuple[str, ...] = READING_OR_WRITING, options: str = "") -> Iterator[list[str]]:
    """Yield a list that collects the plan of every statement of those kinds, made with the current statistics."""
    plans: list[str] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if statement.lstrip().startswith(beginnings):
            cursor.execute(f"EXPLAIN {options} {statement}", parameters)
            plans.append("\n".join(row[0] for row in cursor))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def analyze() -> None:
    """Make Postgres collect the statistics of all tables."""
    with administrators_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def rows_read() -> Iterator[list[int]]:
    """Yield a list that collects, for each statement on codes, the number of rows that its index scans read."""
    read: list[int] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if "FROM codes" in statement:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            read.append(scanned(cursor.fetchone()[0][0]["Plan"]))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield read
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def scanned(plan: dict) -> int:
    """Return the number of rows that a plan reads, rows removed by a filter included."""
    below = sum(scanned(each) for each in plan.get("Plans", []))
    if "Scan" not in plan["Node Type"] or "Relation Name" not in plan:
        return below
    return below + int(plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0))
