"""A worker that is attacked, on a database of Valkey of its own."""

from collections.abc import Iterator

import pytest

from tests.abuse.attacked import Attacked
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker

ATTACKED = 15


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, Client]]:
    """Run a worker that counts for a module, and yield worker and client."""
    folder = tmp_path_factory.mktemp("attacked")
    variables = with_redis(environment, number=ATTACKED) | {"SCRIP_METRICS_FOLDER": str(folder / "metrics")}
    with Worker(folder=folder, environment=variables) as worker, Client(variables) as client:
        client.broker.redis.flushdb()
        yield worker.wait_ready(), client
        assert worker.stop() == 0, worker.log
        client.broker.redis.flushdb()


@pytest.fixture
def attacked(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running: tuple[Worker, Client],
) -> Iterator[Attacked]:
    """Yield the worker on an empty database."""
    worker, client = running
    worker.restart_if_stuck()
    yield Attacked(worker, client)
    worker.wait_until_acknowledged()
