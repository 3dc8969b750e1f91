"""The query plans of a session's statements, as JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

# The first and the last possible UUIDv7.
FIRST, LAST = "00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"


@contextmanager
def explained_as_json(session: Session) -> Iterator[list[dict[str, Any]]]:
    """Yield a list that collects the plan of every statement, with the actual rows and blocks."""
    plans: list[dict[str, Any]] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
        plans.extend(cursor.fetchone()[0])

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(connection, "before_cursor_execute", note)


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and all nodes below."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)
