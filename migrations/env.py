"""How Alembic reaches the database: the same settings and the same engine as the tasks."""

from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from models.base import Base
from worker.database import driver_message, engine

# Two releases at once wait for each other; the number is arbitrary but has to stay.
MIGRATION_LOCK = 7_201_115


def connected() -> Connection:
    """This function will connect, or end the program with one line on why it cannot."""
    try:
        return engine().connect()
    except OperationalError as error:
        raise SystemExit(f"scrip: the database cannot be migrated: {driver_message(error)}") from None


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    raise SystemExit("scrip: migrations run against a database; there is no offline mode")

with connected() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # An index of a large table takes as long as it takes.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        context.run_migrations()
