"""Alembic's environment: migrations use the settings of the tasks, and connect as the owner of the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging.config import fileConfig
from pathlib import Path

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from models.base import Base
from worker.database import allow_long_statements, driver_message, new_engine
from worker.logs.beginning import log
from worker.settings import database_settings, log_settings

# Migrations of two releases that start at once wait for each other. The number is arbitrary but must not change.
MIGRATION_LOCK = 7_201_115
# What the roles of deploy/postgres/roles.sql may do with the tables of this release.
RIGHTS = Path(__file__).with_name("rights.sql")


@contextmanager
def connected() -> Iterator[Connection]:
    """Yield a connection of the owner, or end the program with one line that says why there is none."""
    owned = new_engine(database_settings().as_owner())
    try:
        connection = owned.connect()
    except OperationalError as error:
        raise SystemExit(f"scrip: the database cannot be migrated: {driver_message(error)}") from None
    try:
        with connection:
            yield connection
    finally:
        owned.dispose()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    log.begin("alembic", values=log_settings())

if context.is_offline_mode():
    raise SystemExit("scrip: migrations run against a database; there is no offline mode")

with connected() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # Creating an index on a large table may exceed the tasks' statement timeout.
        allow_long_statements(connection)
        try:
            context.run_migrations()
        except CommandError as error:
            # For example, a newer release has migrated the database.
            raise SystemExit(f"scrip: the database cannot be migrated: {error}") from None
        if context.get_context().get_current_heads() == tuple(context.script.get_heads()):
            connection.exec_driver_sql(RIGHTS.read_text(encoding="utf-8"))
