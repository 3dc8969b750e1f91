"""A twin of the project: another project with a copy of every row, so with the same ids in everything."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import JSON, Column, Table, Text, column, create_engine, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from models.base import Base
from tests.support.begun_with import begun_with
from tests.support.database_between_tests import separate_engine
from tests.support.requests import voucher_body

PROJECT = str(voucher_body()["project"])
TWIN = "twin"


def add_twin() -> None:
    """Copy every row of the project to the twin. Stored answers and requests name the twin too."""
    with separate_engine().connect() as connection:
        for table in _tables_of_projects():
            # A generated column makes itself.
            columns = [each for each in table.c if each.computed is None]
            copied = select(*(_copied(each) for each in columns)).where(table.c.project == PROJECT)
            connection.execute(insert(table).from_select([each.name for each in columns], copied))


def rows_of(project: str) -> dict[str, list[Any]]:
    """Return all rows of a project, as text, by table."""
    with separate_engine().connect() as connection:
        return {
            table.name: sorted(
                connection.execute(
                    select(func.concat(column(table.name))).select_from(table).where(table.c.project == project)
                ).scalars()
            )
            for table in _tables_of_projects()
        }


@contextmanager
def locked_rows(project: str) -> Iterator[None]:
    """Lock all rows of a project. Whoever waits for one of them fails after a second."""
    holder = create_engine(separate_engine().url)
    try:
        with holder.begin() as connection, begun_with("SET LOCAL lock_timeout = '1s'"):
            for table in _tables_of_projects():
                connection.execute(select(table.c.project).where(table.c.project == project).with_for_update())
            yield
    finally:
        holder.dispose()


def _tables_of_projects() -> list[Table]:
    return [each for each in Base.metadata.sorted_tables if "project" in each.c]


def _copied(of: Column[Any]) -> Any:
    if of.name == "project":
        return literal(TWIN)
    if isinstance(of.type, (JSON, JSONB)):
        return func.replace(of.cast(Text()), f'"{PROJECT}"', f'"{TWIN}"').cast(of.type).label(of.name)
    return of
