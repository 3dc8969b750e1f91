"""Statements at the beginning of every transaction of the test's process."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from worker.database import engine


@contextmanager
def begun_with(statement: str) -> Iterator[None]:
    """Begin every transaction with the statement, such as a SET LOCAL."""

    def send(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine(), "begin", send)
    try:
        yield
    finally:
        event.remove(engine(), "begin", send)
