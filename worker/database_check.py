"""A look at the database before a worker starts: one that Scrip cannot work with is refused in one line.

A server that cannot be reached yet is not checked: the worker waits for it as usual.
"""

import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from celery.signals import celeryd_init
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from worker.database import driver_message, engine
from worker.database_sessions import NAME_THE_SETTING

# The tests run on 15 and 18. As psycopg writes versions.
POSTGRES_MIN = 15_00_00
MAJOR = 1_00_00
# libpq's word in every error of a certificate. Waiting does not mend one.
CERTIFICATE = "certificate"
MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"
REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)


@celeryd_init.connect(weak=False)
def check_database(**_: Any) -> None:
    """End the worker before its start if the database cannot be used."""
    try:
        with engine().connect() as connection:
            version = connection.connection.driver_connection.info.server_version  # type: ignore[union-attr]
            problem = problem_of_postgres(version) or problem_of_schema(_schema_versions(connection))
    except OperationalError as error:
        if NAME_THE_SETTING in driver_message(error):
            raise SystemExit(f"scrip: the database cannot be used: {NAME_THE_SETTING}") from None
        if CERTIFICATE in driver_message(error):
            raise SystemExit(f"scrip: the database cannot be used: {driver_message(error)}") from None
        return
    finally:
        # The children are forked later, and must not share a connection.
        engine().dispose()
    if problem:
        raise SystemExit(f"scrip: the database cannot be used: {problem}")


def problem_of_postgres(version: int) -> str | None:
    """Return the reason why a server of that version cannot be used, or None."""
    return None if version >= POSTGRES_MIN else f"it is PostgreSQL {version // MAJOR}, and must be 15 or newer"


def problem_of_schema(found: Collection[str]) -> str | None:
    """Return the reason why a schema at these revisions cannot be used, or None.

    A revision that is not known is one of a later release. A worker may have to start again during an upgrade, or
    after a return to the earlier release.
    """
    known = revisions()
    if known[-1] in found or not set(found) <= set(known):
        return None
    said = f"its schema is at migration {', '.join(found)}" if found else "it has no schema"
    return f"{said}, and must be at {known[-1]}: run `alembic upgrade head`"


@cache
def revisions() -> Sequence[str]:
    """Return the revisions of this release, in order. The names of their files begin with their numbers."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.py")))
    return [found for text in texts for found in REVISION.findall(text)]


def _schema_versions(connection: Connection) -> list[str]:
    try:
        return list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
    except ProgrammingError:
        # No migration has ever run.
        return []
