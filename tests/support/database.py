"""What happens beside each test, on a connection of its own: the database is emptied before it, and audited after it.

There these statements stay prepared, which the worker's connection keeps for those it has used lately. Planning the
audit takes six times as long as running it on what a test leaves.
"""

from functools import cache
from itertools import count

from sqlalchemy import Engine, create_engine, text

from models.base import Base
from tasks.audit.audit import CHECKS
from tasks.audit.reversals import UNREVERSED_ENTRIES
from worker.database import engine

# The ledger's triggers stay off: no use case can delete from it. A lock that a test has left is an error.
_OPTIONS = "-c session_replication_role=replica -c lock_timeout=20s -c TimeZone=UTC"
_VIOLATIONS = text(
    UNREVERSED_ENTRIES
    + " UNION ALL ".join(
        f"SELECT '{name.replace(chr(39), chr(39) * 2)}' AS broken, project, subject, detail FROM ({query}) AS found"  # noqa: S608 - our own queries
        for name, query in CHECKS.items()
    )
)
# TRUNCATE would make new files for each test.
_EMPTY = text(
    f"WITH {', '.join(f'of_{each} AS (DELETE FROM {each})' for each in Base.metadata.tables)} SELECT"  # noqa: S608 - our own tables
)
# Emptied so often, the tables are vacuumed. Autovacuum would come at any moment, and when it has seen a table empty,
# Postgres takes it for empty for as long as a test runs, however much the test puts into it.
_EMPTIED_BETWEEN_VACUUMS = 50
_FORGET_EMPTINESS = text("""
    SELECT pg_clear_relation_stats('public', relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND reltuples = 0
""")
_emptied = count(1)


@cache
def aside() -> Engine:
    """This function will return what connects to the database of the tests, outside any transaction of theirs."""
    return create_engine(
        engine().url,
        pool_size=1,
        # A test may have restarted Postgres.
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",
        connect_args={"prepare_threshold": 0, "options": _OPTIONS},
    )


def run_by_itself(*statements: str) -> None:
    """This function will run statements that no transaction may have in it."""
    with aside().connect() as connection:
        for each in statements:
            connection.execute(text(each))


def empty_database() -> None:
    """This function will delete every row of every table."""
    if next(_emptied) % _EMPTIED_BETWEEN_VACUUMS == 0:
        forget_other_tests()
    with aside().connect() as connection:
        connection.execute(_EMPTY)
        connection.execute(_FORGET_EMPTINESS)


def forget_other_tests() -> None:
    """This function will have Postgres take the tables as new ones: pages that others left empty count in a plan."""
    run_by_itself("VACUUM")
    with aside().connect() as connection:
        connection.execute(_FORGET_EMPTINESS)


def violations() -> list[tuple[str, ...]]:
    """This function will return what the audit finds, each with the name of its check. It is one statement."""
    with aside().connect() as connection:
        return [tuple(row) for row in connection.execute(_VIOLATIONS)]
