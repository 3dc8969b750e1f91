"""Workers that several tests share, each on its own database of Valkey."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import PREFETCH_MULTIPLIER
from tests.end_to_end.client import Client
from tests.end_to_end.database import close_connections
from tests.end_to_end.programs import Worker

SHARED, IMPATIENT, BATCHING = 1, 3, 9


@pytest.fixture(scope="session", autouse=True)
def closed_connections() -> Iterator[None]:
    """Close the connections to databases after the last test."""
    yield
    close_connections()


@pytest.fixture(scope="session")
def running_worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Client]]:
    """Run a worker with two children for the session, and yield worker and client. At the end, the worker must stop."""
    variables = with_redis(environment, number=SHARED)
    folder = tmp_path_factory.mktemp("worker")
    with Worker(folder=folder, environment=variables) as worker, Client(variables) as client:
        yield worker.wait_ready(), client
        assert worker.stop() == 0, worker.log


@pytest.fixture
def worker(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running_worker: tuple[Worker, Client],
) -> Iterator[Worker]:
    """Yield the worker on an empty database. After the test, the worker must live and acknowledge every message."""
    worker, _ = running_worker
    worker.restart_if_stuck()
    yield worker
    worker.wait_until_acknowledged()


@pytest.fixture
def client(worker: Worker, running_worker: tuple[Worker, Client]) -> Client:  # noqa: ARG001 - the worker is ready then
    """Return a client of that worker."""
    return running_worker[1]


@pytest.fixture
def url(worker: Worker) -> str:
    """Return the URL of the worker's database."""
    return worker.environment["DATABASE_URL"]


@pytest.fixture
def log_since(worker: Worker) -> int:
    """Return the length of the worker's log before the test."""
    return len(worker.log)


@pytest.fixture(scope="session")
def running_impatient_worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Client]]:
    """Run a worker with a lock timeout of a second, and yield worker and client."""
    variables = with_redis(environment, number=IMPATIENT) | {"SCRIP_LOCK_TIMEOUT_SECONDS": "1"}
    folder = tmp_path_factory.mktemp("impatient")
    with Worker(folder=folder, environment=variables) as worker, Client(variables) as client:
        yield worker.wait_ready(), client


@pytest.fixture
def impatient(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running_impatient_worker: tuple[Worker, Client],
) -> Iterator[tuple[Worker, Client]]:
    """Yield the worker with the short lock timeout on an empty database, and the client."""
    worker, client = running_impatient_worker
    worker.restart_if_stuck()
    yield worker, client
    worker.wait_until_acknowledged()


@pytest.fixture(scope="module")
def running_batching_worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Client]]:
    """Run a worker with a single child, a large prefetch and canvas for a module, and yield worker and client."""
    variables = with_redis(environment, number=BATCHING) | {"SCRIP_ALLOW_CANVAS": "true"}
    folder = tmp_path_factory.mktemp("batching")
    with (
        Worker(folder=folder, environment=variables, children=1, prefetch_multiplier=PREFETCH_MULTIPLIER) as worker,
        Client(variables) as client,
    ):
        yield worker.wait_ready(), client
        assert worker.stop() == 0, worker.log


@pytest.fixture
def batching(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running_batching_worker: tuple[Worker, Client],
) -> Iterator[tuple[Worker, Client]]:
    """Yield the worker with a single child on an empty database, and the client."""
    worker, client = running_batching_worker
    worker.restart_if_stuck()
    yield worker, client
    worker.wait_until_acknowledged()
