"""Real servers for the whole run, and an audited database for each test that writes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties
from sqlalchemy import delete, text

from models.base import Base
from tests.auditing import violations
from worker.db import engine, transaction
from worker.embedded import servers
from worker.settings import settings

CHECKOUT = Path(__file__).parent.parent
# Emptied so often, the tables are vacuumed. Autovacuum would come at any moment, and when it has seen a table empty,
# Postgres takes it for empty for as long as a test runs, however much the test puts into it.
EMPTIED_BETWEEN_VACUUMS = 50
FORGET_EMPTINESS = text("""
    SELECT pg_clear_relation_stats('public', relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND reltuples = 0
""")
_emptied = count(1)

# How long an example takes, or to think of one, says how busy the machine is.
properties.register_profile("scrip", properties.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("scrip")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Real Postgres and Valkey, migrated, and this process's environment set to them."""
    with servers(tmp_path_factory.mktemp("home")) as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        settings.cache_clear()
        alembic = Path(sys.executable).with_name("alembic")
        subprocess.run([alembic, "upgrade", "head"], cwd=CHECKOUT, check=True, capture_output=True, env=os.environ)
        run_by_itself("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
        yield variables
        engine().dispose()
        engine.cache_clear()


@pytest.fixture
def database(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """An empty database before the test, and an audit without a violation after it."""
    empty_database()
    yield environment
    assert violations() == []


@pytest.fixture
def tampered_database(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """An empty database for a test that breaks promises on purpose; it is emptied afterwards too."""
    empty_database()
    yield environment
    empty_database()


def run_by_itself(*statements: str) -> None:
    """This function will run statements that no transaction may have in it."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for each in statements:
            connection.execute(text(each))


def empty_database() -> None:
    """This function will delete every row of every table. TRUNCATE would make new files for each test."""
    if next(_emptied) % EMPTIED_BETWEEN_VACUUMS == 0:
        forget_other_tests()
    with transaction() as session:
        # The ledger's triggers stay off: no use case can do this.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))
        session.execute(FORGET_EMPTINESS)


def forget_other_tests() -> None:
    """This function will have Postgres take the tables as new ones: pages that others left empty count in a plan."""
    run_by_itself("VACUUM")
    with transaction() as session:
        session.execute(FORGET_EMPTINESS)
