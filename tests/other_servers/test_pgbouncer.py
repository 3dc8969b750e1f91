"""Behind PgBouncer in transaction mode, each transaction may have another server connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from tasks.audit.audit import audit
from tests.end_to_end.programs import Program
from tests.other_servers.pgbouncer import PgBouncer
from tests.support.environment import changed_environment
from tests.support.requests import create_voucher, redeem, redemption
from tests.support.tasks import task_named
from tests.support.waiting import eventually
from worker import database as db
from worker.database import engine, transaction
from worker.database_sessions import NAME_THE_SETTING

SETTINGS = {
    "statement_timeout": "22s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "22s",
    "enable_seqscan": "off",
    "TimeZone": "UTC",
}


@pytest.fixture
def pooler(database: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Run PgBouncer with a single server connection, and yield its URL."""
    with PgBouncer(tmp_path, url=database["DATABASE_URL"], default_pool_size=1) as running:
        yield running.url


@pytest.fixture
def pooled(pooler: str) -> Iterator[None]:
    """Connect this process to the pooler."""
    with changed_environment(DATABASE_URL=pooler, SCRIP_DATABASE_POOLER="transaction"):
        yield


@pytest.fixture
def two_engines(pooled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Engine]]:  # noqa: ARG001 - connected
    """Use two engines in turn, as two processes would."""
    both = [db.engine.__wrapped__(), db.engine.__wrapped__()]
    turns: list[Engine] = []

    def next_engine() -> Engine:
        turns.append(both[len(turns) % 2])
        return turns[-1]

    with monkeypatch.context() as patch:
        patch.setattr(db, "engine", next_engine)
        yield both
    for each in both:
        each.dispose()


@pytest.mark.usefixtures("two_engines")
def test_tasks_of_two_processes_share_a_server_connection():
    """Each statement runs often enough to be prepared, if statements were prepared."""
    vouchers = [create_voucher(restrictions={"maximumRedemptions": 20}) for _ in range(8)]
    for voucher in vouchers:
        answers = [redeem(voucher=voucher["id"])["outcome"] for _ in range(2)]
        many = {"requests": [redemption(voucher=voucher["id"]) for _ in range(20)]}
        answers += [each["outcome"] for each in task_named("redemptions.redeem_many")(request=many)["items"]]
        assert answers == ["accepted"] * 20 + ["refused"] * 2
        shown = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
        assert shown["redemptions"] == 20
    assert audit() == []


@pytest.mark.usefixtures("pooled")
def test_every_transaction_has_the_settings_and_leaves_none_behind(database: dict[str, str]):
    """Other clients of the pooler may share the server connection."""
    assert database
    for _ in range(2):
        with transaction() as session:
            shown = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in SETTINGS}
            assert shown == SETTINGS
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0


def test_without_the_setting_the_error_names_it(pooler: str, caplog):
    """The log does too, since a task's log does not show messages of the driver."""
    with changed_environment(DATABASE_URL=pooler), pytest.raises(OperationalError, match=NAME_THE_SETTING):
        engine().connect()
    assert NAME_THE_SETTING in caplog.text


def test_a_pooler_that_ignores_the_settings_is_not_used_without_the_setting(database: dict[str, str], tmp_path: Path):
    """Statements would run without a timeout, and prepared statements would be mixed up."""
    ignoring: dict[str, str | int] = {"default_pool_size": 1, "ignore_startup_parameters": "options"}
    with (
        PgBouncer(tmp_path, url=database["DATABASE_URL"], **ignoring) as ignorant,
        changed_environment(DATABASE_URL=ignorant.url),
        pytest.raises(OperationalError, match=NAME_THE_SETTING),
    ):
        engine().connect()


@pytest.mark.slow
def test_a_worker_without_the_setting_ends_with_one_line(pooler: str, database: dict[str, str], tmp_path: Path) -> None:
    """Otherwise it would fetch messages, and could decide none."""
    with Program("worker", folder=tmp_path / "worker", environment=database | {"DATABASE_URL": pooler}) as worker:
        eventually(lambda: not worker.is_alive())
        assert worker.process.returncode == 1
        assert worker.log.count(NAME_THE_SETTING) == 1
        assert "Traceback" not in worker.log
