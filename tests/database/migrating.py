"""Databases that tests migrate, and all of their rows."""

from pathlib import Path
from typing import Any

from alembic.config import Config
from sqlalchemy import create_engine, select

from models.base import Base

MIGRATIONS = Path(__file__).parents[2] / "migrations"
Rows = dict[str, list[dict[str, Any]]]


def configuration(migrations: Path) -> Config:
    """Return Alembic's configuration without alembic.ini, which says how a program logs."""
    config = Config()
    config.set_main_option("script_location", str(migrations))
    return config


def rows_of(url: str) -> Rows:
    """Return the rows of every table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(*table.c)).mappings()]
            for table in Base.metadata.sorted_tables
        }
    engine.dispose()
    return found
