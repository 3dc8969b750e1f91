"""A worker looks at its database before it starts."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.programs import Program
from tests.support.waiting import DEADLINE_SECONDS, eventually
from worker.database_check import MIGRATIONS, problem_of_postgres, problem_of_schema, revisions


def test_an_old_postgres_is_refused() -> None:
    """Tasks would fail with errors of syntax."""
    assert problem_of_postgres(14_00_22) == "it is PostgreSQL 14, and must be 15 or newer"


@pytest.mark.parametrize("version", [15_00_00, 15_00_18, 18_00_00])
def test_a_newer_postgres_is_taken(version: int) -> None:
    """Any later one too."""
    assert problem_of_postgres(version) is None


@pytest.mark.slow
def test_a_worker_waits_for_a_database_that_is_not_there_yet(database: dict[str, str], tmp_path: Path) -> None:
    """The look at the database does not end the worker."""
    nowhere = {"DATABASE_URL": f"postgresql://{LOOPBACK}:{free_port()}/postgres"}
    with Program("worker", "--loglevel", "INFO", folder=tmp_path / "worker", environment=database | nowhere) as worker:
        eventually(lambda: " ready." in worker.log)
        assert worker.is_alive()


def test_the_revisions_are_those_of_the_migrations() -> None:
    """They are read without Alembic, whose import would cost every worker 8 MB."""
    script = ScriptDirectory(str(MIGRATIONS.parent))
    assert list(revisions()) == [each.revision for each in script.walk_revisions()][::-1]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([], "it has no schema"),
        (["0001_baseline"], "its schema is at migration 0001_baseline"),
        ([revisions()[-2]], f"its schema is at migration {revisions()[-2]}"),
    ],
)
def test_an_older_schema_is_refused(found: list[str], problem: str) -> None:
    """Every message would fail, and become a dead letter."""
    assert problem_of_schema(found) == f"{problem}, and must be at {revisions()[-1]}: run `alembic upgrade head`"


@pytest.mark.parametrize("found", [[revisions()[-1]], ["a later release's"], [revisions()[-1], "a branch"]])
def test_the_newest_schema_is_taken_and_a_later_releases(found: list[str]) -> None:
    """While an upgrade is going on, a worker of the older release may have to start again."""
    assert problem_of_schema(found) is None


@pytest.mark.slow
def test_a_worker_does_not_start_before_the_migrations(two_databases: tuple[str, str], tmp_path: Path) -> None:
    """It ends with one line, and whoever runs it starts it again until they have run."""
    empty, _ = two_databases
    with Program("worker", folder=tmp_path / "worker", environment={"DATABASE_URL": empty}) as worker:
        assert worker.process.wait(DEADLINE_SECONDS) == 1
        assert worker.log == (
            f"scrip: the database cannot be used: it has no schema, and must be at {revisions()[-1]}:"
            " run `alembic upgrade head`\n"
        )
