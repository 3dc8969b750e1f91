"""Tools for all tables: names of constraints, ids, the database's clock, and statements on arrays of rows."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from inspect import get_annotations
from itertools import count
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DDL,
    CursorResult,
    FromClause,
    Index,
    Insert,
    MetaData,
    Result,
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

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table. The project is part of every key, so that the tables can be distributed by project."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


# POSIX sorts like C, but the planner treats it as a different collation. So a query that compares
# `project COLLATE "POSIX"` can use only the indexes built with it. Without statistics the planner would otherwise
# choose another index and read the whole project.
LOOK_UP_COLLATION = "POSIX"
# Without statistics on `project`, the planner gives each project the same share of a table. With them, it takes a
# project that they do not list for empty, and may plan a look-up as a scan of the whole project.
_DISABLE_PROJECT_STATISTICS = DDL(  # type: ignore[no-untyped-call]  # DDL has no types
    "ALTER TABLE %(table)s ALTER COLUMN project SET STATISTICS 0"
)


@event.listens_for(Base, "instrument_class", propagate=True)
def _disable_project_statistics(_mapper: object, model: type[Base]) -> None:
    event.listen(table_of(model), "after_create", _DISABLE_PROJECT_STATISTICS)


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for statements of SQLAlchemy Core."""
    return cast("Table", model.__table__)


def new_id() -> UUID:
    """Return a UUIDv7. Later ids of the same process sort higher, even within a millisecond."""
    return uuid7()


# No id is below or above these.
LOWEST_ID, HIGHEST_ID = UUID(int=0), UUID(int=2**128 - 1)
# A UUIDv7 has 48 bits for the milliseconds since 1970, 4 for the version, 12 for the fraction of the millisecond, 2 for
# the variant, and 62 that are free: here 16 for a position, and random ones.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VERSION, _VARIANT = 7 << 76, 2 << 62
_RANDOM_BITS = 46


def ids_at(instant: datetime) -> Iterator[UUID]:
    """Yield ascending UUIDv7 of an instant, at most 65,536. They sort by the instant, to the microsecond."""
    first = first_id_at(instant).int | secrets.randbits(_RANDOM_BITS)
    return (UUID(int=first + (position << _RANDOM_BITS)) for position in count())


def first_id_at(instant: datetime) -> UUID:
    """Return a UUID that is not above any UUID of `ids_at` for the instant, and above all for earlier instants."""
    milliseconds, microseconds = divmod((instant - _EPOCH) // _MICROSECOND, 1_000)
    # RFC 9562, section 6.2, method 3: the fraction of the millisecond in units of 1/4096.
    return UUID(int=milliseconds << 80 | _VERSION | (microseconds * 4_096 // 1_000) << 64 | _VARIANT)


def index_by_time(column_name: str) -> Index:
    """Return an index of a table whose rows are added in the order of time. A BRIN index costs next to nothing."""
    return Index(None, column_name, postgresql_using="brin", postgresql_with={"autosummarize": True})


def one_of(name: str, values: Iterable[StrEnum]) -> str:
    """Return the SQL of a check that a column has one of the values. NULL passes too."""
    members = ", ".join(f"'{value}'" for value in values)
    return f"{name} IN ({members})"


_CLOCK = select(func.clock_timestamp(type_=Instant))


def read_clock(session: Session) -> datetime:
    """Return the time of the database's clock, not the start of the transaction."""
    clock: datetime = session.execute(_CLOCK).scalar_one()
    return clock


def read_one_snapshot(session: Session) -> None:
    """Make the transaction read-only, with the same snapshot of the database for all statements.

    Call this before any other statement of the transaction.
    """
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def columns_of(row: type) -> tuple[str, ...]:
    """Return the names of the columns of a row's Protocol, inherited columns first."""
    return tuple(dict.fromkeys(name for each in reversed(row.__mro__) for name in get_annotations(each)))


def rows_affected(result: Result[Any]) -> int:
    """Return how many rows a statement inserted, updated or deleted."""
    return cast("CursorResult[Any]", result).rowcount


def rows_from_arrays(name: str, /, **types: TypeEngine[Any]) -> FromClause:
    """Return a table expression over arrays, with a bound parameter `<name>_<column>` for each column.

    An example is `unnest(:name_project, :name_id) AS name (project, id, position)`. So a single statement works on any
    number of rows. `position` numbers them from 1 in the order of the arrays.
    """
    arrays = (bindparam(f"{name}_{each}", type_=ARRAY(type_)) for each, type_ in types.items())
    columns = (column(each, type_) for each, type_ in types.items())
    rows = func.unnest(*arrays).table_valued(*columns, with_ordinality="position", name=name)
    return rows.render_derived(name=name)


def array_parameters(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Turn rows into the parameters of `rows_from_arrays`: an array for each column."""
    arrays = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in columns]
    return {f"{name}_{column}": values for column, values in zip(columns, arrays, strict=True)}


def insert_from_arrays(model: type[Base], columns: Sequence[str]) -> Insert:
    """Return an INSERT of any number of rows, with a bound array `new_<column>` for each column."""
    table = table_of(model)
    new = rows_from_arrays("new", **{name: _array_type(table, name) for name in columns})
    selected = (new.c[name].cast(table.c[name].type) for name in columns)
    return insert(table).from_select(list(columns), select(*selected))


def _array_type(table: Table, name: str) -> TypeEngine[Any]:
    # JSON and bytes are sent as text, because SQLAlchemy would convert each element of such an array in Python. So are
    # arrays, because an array of arrays has no rows.
    type_ = getattr(table.c[name].type, "impl_instance", table.c[name].type)
    return Text() if type_.__visit_name__ in {"JSON", "JSONB", "large_binary", "ARRAY"} else type_
