"""Each promise has a constraint: the database refuses a row that breaks the promise, even if the code has a bug.

Each case breaks one constraint only: without the constraint, the database takes the row. The catalogue says which
constraints there are, so a constraint without a case is noticed, and a case without its constraint too.
"""

from collections.abc import Iterator

import pytest
from psycopg import Error as PsycopgError
from sqlalchemy import ForeignKeyConstraint, TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.base import Base
from tests.database.constraints import (
    of_codes,
    of_discounts,
    of_invoices,
    of_operation,
    of_redemptions,
    of_usages,
    of_vouchers,
)
from tests.database.constraints.table import Breach, Table
from tests.database.constraints.valid_rows import add_valid_rows
from tests.support.administrator import as_administrator
from tests.support.database_between_tests import empty_database, violations
from worker.database import transaction

ROOMS = (of_vouchers, of_codes, of_redemptions, of_discounts, of_invoices, of_usages, of_operation)
TABLES: dict[str, Table] = {table.name: table for room in ROOMS for table in room.TABLES}
BREACHES = [breach for table in TABLES.values() for breach in table.breaches()]
LEFT_OUT = [breach for table in TABLES.values() for breach in table.left_out()]
# The only column of a key that is generated is computed from this column, so the key demands it.
DEMANDED_BY_KEY = ("usage_records", "ref")
CONSTRAINTS = text("""
    SELECT conrelid::regclass::text, conname FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')
    UNION
    SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE INDEX %'
""")
# PostgreSQL computes the generated columns, each of them never as NULL.
REQUIRED = text("""
    SELECT attrelid::regclass::text, attname FROM pg_attribute
    WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')
          AND attnum > 0 AND attnotnull AND attgenerated = ''
          AND NOT EXISTS (
              SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY (indkey)
          )
""")
FOREIGN_KEYS = {
    str(key.name): key
    for table in Base.metadata.sorted_tables
    for key in table.constraints
    if isinstance(key, ForeignKeyConstraint)
}
NOT_NULL = "23502"
# These tables refuse a DELETE by a trigger, before a foreign key could.
WITHOUT_TRIGGER = "ALTER TABLE {} DISABLE TRIGGER append_only"
APPEND_ONLY = text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only'")


@pytest.fixture(scope="module", autouse=True)
def valid_rows(environment: dict[str, str]) -> Iterator[None]:  # noqa: ARG001 - the servers
    """Add a valid row of each table, for all tests: each rolls back."""
    empty_database()
    add_valid_rows()
    yield
    assert violations() == []
    empty_database()


@pytest.fixture
def session() -> Iterator[Session]:
    """Yield a session in a transaction that is rolled back."""
    with as_administrator() as session:
        yield session
        session.rollback()


def catalogue(query: TextClause) -> set[tuple[str, ...]]:
    """Return what the catalogue has of the program's own tables."""
    with transaction() as session:
        return {tuple(row) for row in session.execute(query) if row[0] != "alembic_version"}


def run(session: Session, *statements: str) -> list[tuple]:
    """Run statements as they are written, and return the rows of the last one."""
    for each in statements:
        result = session.connection().exec_driver_sql(each)
    return [tuple(row) for row in result] if result.returns_rows else []


def refusal_of(session: Session, statement: str) -> tuple[str | None, str | None]:
    """Return the table, and the constraint or the required column, by which the database refuses a statement."""
    with pytest.raises(IntegrityError) as refused, session.begin_nested():
        session.connection().exec_driver_sql(statement)
    assert isinstance(refused.value.orig, PsycopgError)
    found = refused.value.orig.diag
    return found.table_name, found.constraint_name if found.sqlstate != NOT_NULL else found.column_name


def test_every_constraint_has_a_case():
    """No case is left of a constraint that is gone. Every table has a valid row."""
    assert {(each.table.name, each.broken) for each in BREACHES} == catalogue(CONSTRAINTS)
    assert {(each.table.name, each.broken) for each in LEFT_OUT} == catalogue(REQUIRED) - {DEMANDED_BY_KEY}
    assert TABLES.keys() == set(Base.metadata.tables)


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.fresh], ids=lambda table: table.name)
def test_a_copy_of_a_valid_row_is_valid(table: Table, session: Session):
    """A case is refused because of its change, and not because it is a copy."""
    assert len(run(session, table.copied())) == 1


@pytest.mark.parametrize("breach", [*BREACHES, *LEFT_OUT], ids=repr)
def test_what_breaks_a_promise_is_refused(breach: Breach, session: Session):
    """By the name of the constraint. Without the constraint, the same row is taken: it breaks no other."""
    statement = breach.table.copied(breach.change)
    for other in breach.table.besides.get(breach.broken, ()):
        run(session, *breach.dropping(broken=other))
    assert refusal_of(session, statement) == (breach.table.name, breach.broken)
    run(session, *breach.dropping(broken=breach.broken))
    assert len(run(session, statement)) == 1


@pytest.mark.parametrize("name", sorted(FOREIGN_KEYS))
def test_a_row_that_others_refer_to_is_not_deleted(name: str, session: Session):
    """The reference of the new row is the only one to the deleted row."""
    key = FOREIGN_KEYS[name]
    child, parent = TABLES[key.table.name], TABLES[key.referred_table.name]
    if (parent.name,) in catalogue(APPEND_ONLY):
        run(session, WITHOUT_TRIGGER.format(parent.name))
    (values,) = run(session, parent.copied())
    of_parent = dict(zip((each.name for each in key.referred_table.primary_key), values, strict=True))
    breach = next(each for each in child.breaches() if each.broken == name)
    reference = {each.parent.name: f"'{of_parent[each.column.name]}'" for each in key.elements}
    run(session, child.copied({**breach.change, **reference}))
    condition = " AND ".join(f"{column} = '{value}'" for column, value in of_parent.items())
    deletion = f"DELETE FROM {parent.name} WHERE {condition} RETURNING project"  # noqa: S608 - our own tables
    assert refusal_of(session, deletion) == (child.name, name)
    run(session, *breach.dropping(broken=name))
    assert len(run(session, deletion)) == 1
