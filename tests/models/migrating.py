"""How a test moves a database from one revision to another."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from worker.db import engine
from worker.settings import settings

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


def upgrade(database_url: str, revision: str) -> None:
    """This function will migrate up in this process: starting another takes longer than most migrations."""
    with _settled_on(database_url) as config:
        command.upgrade(config, revision)


def downgrade(database_url: str, revision: str) -> None:
    """This function will migrate down."""
    with _settled_on(database_url) as config:
        command.downgrade(config, revision)


@contextmanager
def _settled_on(database_url: str) -> Iterator[Config]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        _begin_anew()
        # No alembic.ini: it says how a program logs.
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            yield config
        finally:
            _begin_anew()


def _begin_anew() -> None:
    engine().dispose()
    engine.cache_clear()
    settings.cache_clear()
