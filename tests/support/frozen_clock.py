"""The database's clock, stopped at an instant: what is decided at the very end of a hold can be tested."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tests.support.begun_with import begun_with
from tests.support.database_between_tests import run_outside_transaction


@contextmanager
def clock_at(instant: datetime) -> Iterator[None]:
    """Let `clock_timestamp()` return the instant in every transaction of this process.

    A function of a schema before `pg_catalog` in the search path hides the function of PostgreSQL.
    """
    run_outside_transaction(
        "DROP SCHEMA IF EXISTS frozen CASCADE",
        "CREATE SCHEMA frozen",
        "GRANT USAGE ON SCHEMA frozen TO PUBLIC",
        "CREATE FUNCTION frozen.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS "
        f"$$ SELECT '{instant.isoformat()}'::timestamptz $$",
    )

    try:
        with begun_with("SET LOCAL search_path = frozen, pg_catalog, public"):
            yield
    finally:
        run_outside_transaction("DROP SCHEMA frozen CASCADE")
