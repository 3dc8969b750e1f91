"""What all tables share: names of constraints, identities, the database's clock, and arrays that act as rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DDL,
    CursorResult,
    FromClause,
    Insert,
    MetaData,
    Result,
    Row,
    Table,
    Text,
    bindparam,
    column,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeEngine
from uuid_utils.compat import uuid7

Instant = TIMESTAMP(timezone=True)

# A row as a query returns it; its columns are those of the table.
StoredRow = Row[*tuple[Any, ...]]

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table. Each key holds the project, so that the tables can be distributed by it."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


# It compares bytes, as "C" does; to the planner it is another one. An index that has the project by it answers what is
# asked by it, and no other index can: while little is known of a table, others would look as good, and all that the
# project has would be read.
LOOK_UP_COLLATION = "POSIX"
# As if nothing were known about tenants: a share of each table. Statistics take one that they do not hold for empty,
# and a look-up may then be planned as a walk along all that it has.
_KNOW_NO_PROJECT = DDL("ALTER TABLE %(table)s ALTER COLUMN project SET STATISTICS 0")  # type: ignore[no-untyped-call]


@event.listens_for(Base, "instrument_class", propagate=True)
def _keep_no_statistics_on_projects(_mapper: object, model: type[Base]) -> None:
    event.listen(table_of(model), "after_create", _KNOW_NO_PROJECT)


def table_of(model: type[Base]) -> Table:
    """This function will return the model's table, for statements that work on sets."""
    return cast("Table", model.__table__)


def new_id() -> UUID:
    """This function will return a UUIDv7: ids made later in one process sort later, also within a millisecond."""
    return uuid7()


def one_of(name: str, values: type[StrEnum]) -> str:
    """This function will return the condition that a column holds a member of the enumeration, or null."""
    members = ", ".join(f"'{value}'" for value in values)
    return f"{name} IN ({members})"


_CLOCK = select(func.clock_timestamp(type_=Instant))


def read_clock(session: Session) -> datetime:
    """This function will return the database's clock at this moment, not at the transaction's start."""
    clock: datetime = session.execute(_CLOCK).scalar_one()
    return clock


def read_one_snapshot(session: Session) -> None:
    """This function will have all of the transaction's statements see one state of the database, and change nothing.

    Take it first.
    """
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def rows_affected(result: Result[Any]) -> int:
    """This function will return how many rows a statement has changed or added."""
    return cast("CursorResult[Any]", result).rowcount


def rows_from_arrays(name: str, **types: TypeEngine[Any]) -> FromClause:
    """This function will return a table expression over arrays that are bound as parameters of the same names.

    One statement then works on any number of rows: `unnest(:projects, :ids) AS name(projects, ids)`. A row's
    `position`, from 1, says which of the rows that were sent it is.
    """
    arrays = (bindparam(f"{name}_{each}", type_=ARRAY(type_)) for each, type_ in types.items())
    columns = (column(each, type_) for each, type_ in types.items())
    rows = func.unnest(*arrays).table_valued(*columns, with_ordinality="position", name=name)
    return rows.render_derived(name=name)


def array_parameters(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """This function will turn rows into the parameters of `rows_from_arrays`: one array for each column."""
    arrays = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in columns]
    return {f"{name}_{column}": values for column, values in zip(columns, arrays, strict=True)}


def insert_from_arrays(model: type[Base], columns: Sequence[str]) -> Insert:
    """This function will return an INSERT of any number of rows, one bound array for each column."""
    table = table_of(model)
    new = rows_from_arrays("new", **{name: _array_type(table, name) for name in columns})
    selected = (new.c[name].cast(table.c[name].type) for name in columns)
    return insert(table).from_select(list(columns), select(*selected))


def _array_type(table: Table, name: str) -> TypeEngine[Any]:
    # Documents and bytes travel as their text: SQLAlchemy would wrap each element of their arrays.
    type_ = table.c[name].type
    return Text() if type_.__visit_name__ in {"JSON", "JSONB", "large_binary"} else type_
