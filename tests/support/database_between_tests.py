"""The database between tests: it is emptied before each test and audited after it, on a separate connection.

The separate connection keeps the audit's statements prepared. The worker's connection keeps only the statements that it
used lately. Planning the audit takes six times as long as running it on the rows of a test.
"""

import os
from functools import cache
from itertools import count

from sqlalchemy import Engine, create_engine, text

import tasks.celery  # noqa: F401 - loads every table
from models.base import Base
from tasks.audit.audit import CHECKS, Violation
from tasks.audit.reversals import LEDGER_TABLES
from worker.database_url import read_database_url

# Triggers are off, because those of the ledger refuse a DELETE. A lock left by a test is an error.
_OPTIONS = "-c session_replication_role=replica -c lock_timeout=20s -c TimeZone=UTC"
_VIOLATIONS = text(
    LEDGER_TABLES
    + " UNION ALL ".join(
        f"SELECT '{name.replace(chr(39), chr(39) * 2)}' AS broken, project, subject, detail FROM ({query}) AS found"  # noqa: S608 - our own queries
        for name, query in CHECKS.items()
    )
)
# TRUNCATE would create new files for each test.
_EMPTY = text(
    f"WITH {', '.join(f'of_{each} AS (DELETE FROM {each})' for each in Base.metadata.tables)} SELECT"  # noqa: S608 - our own tables
)
# The tables are vacuumed after so many tests. Autovacuum would run at any moment. After it has seen an empty table, the
# planner takes the table for empty during the whole test, however many rows the test inserts.
_EMPTIED_BETWEEN_VACUUMS = 50
_FORGET_EMPTY_TABLES = text("""
    SELECT pg_clear_relation_stats('public', relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND reltuples = 0
""")
# What an earlier test has let Postgres find out about columns would change a query plan too.
_FORGET_COLUMNS = text("""
    DELETE FROM pg_statistic WHERE starelid IN (
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
    )
""")
_emptied = count(1)


@cache
def separate_engine() -> Engine:
    """Return the engine for the database of the tests, outside all of their transactions."""
    return create_engine(
        read_database_url(os.environ["DATABASE_ADMINISTRATOR_URL"]),
        pool_size=1,
        # A test may have restarted Postgres, which ends the connection.
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",
        connect_args={"prepare_threshold": 0, "options": _OPTIONS},
    )


def run_outside_transaction(*statements: str) -> None:
    """Run statements that are not allowed in a transaction."""
    with separate_engine().connect() as connection:
        for each in statements:
            connection.execute(text(each))


def empty_database() -> None:
    """Delete every row of every table."""
    if next(_emptied) % _EMPTIED_BETWEEN_VACUUMS == 0:
        vacuum_database()
    with separate_engine().connect() as connection:
        connection.execute(_EMPTY)
        connection.execute(_FORGET_EMPTY_TABLES)
        connection.execute(_FORGET_COLUMNS)


def vacuum_database() -> None:
    """Make Postgres treat the tables as new. Empty pages left by other tests would change a query plan."""
    run_outside_transaction("VACUUM")
    with separate_engine().connect() as connection:
        connection.execute(_FORGET_EMPTY_TABLES)


def violations() -> list[Violation]:
    """Return the violations that the audit's checks find, in a single statement."""
    with separate_engine().connect() as connection:
        found = connection.execute(_VIOLATIONS)
        return [Violation(check=check, project=row[0], subject=row[1], detail=row[2]) for check, *row in found]
