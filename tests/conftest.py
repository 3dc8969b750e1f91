"""Real servers for the whole run, and an audited database for each test that writes."""

import faulthandler
import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties
from redis import Redis
from sqlalchemy import create_engine

from scrip.stack.stack import servers
from scrip.stack.valkey_users import WORKER
from tasks.audit import run
from tests.support.administrator import administrators_engine
from tests.support.database_between_tests import empty_database, run_outside_transaction, separate_engine, violations
from tests.support.schema import SCHEMA_MUTANT, migrate
from worker import database as database_access
from worker.database import engine
from worker.settings import forget_settings

# Senders of tests have these queues for the tasks that follow their messages.
SENDERS_QUEUES = ("shop", "followers")

# The time to run or to generate an example depends on how busy the machine is.
properties.register_profile("scrip", properties.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("scrip")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test with the mark `scale` take longer than `faulthandler_timeout`."""
    if item.get_closest_marker("scale"):
        faulthandler.cancel_dump_traceback_later()


def let_workers_write_to(queues: Sequence[str], *, server: str) -> None:
    """Allow the tasks that follow a message, as an operator does who allows them."""
    with Redis.from_url(server) as administrator:
        keys = [key for each in queues for key in (f"~{each}", f"~{each}???")]
        administrator.execute_command("ACL", "SETUSER", WORKER, *keys)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run Postgres and Valkey with the schema, and set this process's environment to them."""
    with servers(tmp_path_factory.mktemp("home")) as variables, pytest.MonkeyPatch.context() as patch:
        owner = {"DATABASE_OWNER_URL": variables.pop("DATABASE_OWNER_URL")}
        migrate({**variables, **owner})
        for name, value in variables.items():
            patch.setenv(name, value)
        forget_settings()
        run_outside_transaction("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
        if SCHEMA_MUTANT in os.environ:
            run_outside_transaction(os.environ[SCHEMA_MUTANT])
        let_workers_write_to(SENDERS_QUEUES, server=variables["REDIS_ADMINISTRATOR_URL"])
        yield variables
        separate_engine().dispose()
        administrators_engine().dispose()
        engine().dispose()
        engine.cache_clear()


@pytest.fixture
def database(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Empty the database before the test, and audit it after the test."""
    empty_database()
    yield environment
    assert violations() == []


@pytest.fixture
def tampered_database(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Empty the database before and after a test that breaks promises on purpose, without an audit."""
    empty_database()
    yield environment
    empty_database()


@pytest.fixture
def without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scheduled audits work without rests."""
    monkeypatch.setattr(run, "RESTING_SECONDS_MAX", 0)


@pytest.fixture
def wide_pool(database: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001 - emptied, then audited
    """Give each of 64 callers a connection. A worker's child has only one."""
    small = engine()
    wide = create_engine(small.url, pool_size=64, hide_parameters=True)
    monkeypatch.setattr(database_access, "engine", lambda: wide)
    yield
    monkeypatch.undo()
    wide.dispose()
