"""How a test moves a database from one revision to another."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from tests.support.environment import changed_environment

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


def upgrade(database_url: str, revision: str) -> None:
    """This function will migrate up in this process: starting another takes longer than most migrations."""
    with changed_environment(DATABASE_URL=database_url):
        command.upgrade(_config(), revision)


def downgrade(database_url: str, revision: str) -> None:
    """This function will migrate down."""
    with changed_environment(DATABASE_URL=database_url):
        command.downgrade(_config(), revision)


def _config() -> Config:
    # No alembic.ini: it says how a program logs.
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
