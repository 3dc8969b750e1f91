"""A worker looks at its database before it starts."""

from pathlib import Path

import pytest

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.programs import Program
from tests.end_to_end.waiting import eventually
from worker.database_check import problem_of_postgres


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
