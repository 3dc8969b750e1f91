"""A look at the database before a worker starts: a server that Scrip cannot work with is refused in one line.

A server that cannot be reached yet is not checked: the worker waits for it as usual.
"""

from typing import Any

from celery.signals import celeryd_init
from sqlalchemy.exc import OperationalError

from worker.database import driver_message, engine
from worker.database_sessions import NAME_THE_SETTING

# The tests run on 15 and 18. As psycopg writes versions.
POSTGRES_MIN = 15_00_00
MAJOR = 1_00_00


@celeryd_init.connect(weak=False)
def check_database(**_: Any) -> None:
    """End the worker before its start if the database cannot be used."""
    try:
        with engine().connect() as connection:
            version = connection.connection.driver_connection.info.server_version  # type: ignore[union-attr]
    except OperationalError as error:
        if NAME_THE_SETTING in driver_message(error):
            raise SystemExit(f"scrip: the database cannot be used: {NAME_THE_SETTING}") from None
        return
    finally:
        # The children are forked later, and must not share a connection.
        engine().dispose()
    if problem := problem_of_postgres(version):
        raise SystemExit(f"scrip: the database cannot be used: {problem}")


def problem_of_postgres(version: int) -> str | None:
    """Return the reason why a server of that version cannot be used, or None."""
    return None if version >= POSTGRES_MIN else f"it is PostgreSQL {version // MAJOR}, and must be 15 or newer"
