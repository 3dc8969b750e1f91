"""One worker for all of these tests, on a database of Valkey's of its own."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.running import Client, Worker, close_connections, with_redis

SHARED, IMPATIENT = 1, 3


@pytest.fixture(scope="session", autouse=True)
def closed_connections() -> Iterator[None]:
    """Nothing stays open when the tests are through."""
    yield
    close_connections()


@pytest.fixture(scope="session")
def running_worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Client]]:
    """A worker with two children and a client of it, for the whole run. At the end it stops when it is asked to."""
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
    """The worker on an empty database. After the test it lives, and has acknowledged every message."""
    worker, _ = running_worker
    worker.revive()
    yield worker
    worker.settle()


@pytest.fixture
def client(worker: Worker, running_worker: tuple[Worker, Client]) -> Client:  # noqa: ARG001 - it is ready then
    """A client of that worker."""
    return running_worker[1]


@pytest.fixture
def url(worker: Worker) -> str:
    """The URL of the worker's database."""
    return worker.environment["DATABASE_URL"]


@pytest.fixture
def log_since(worker: Worker) -> int:
    """How long the worker's log was before the test."""
    return len(worker.log)


@pytest.fixture(scope="session")
def running_impatient_worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Client]]:
    """A worker that waits a second for a lock, and a client of it."""
    variables = with_redis(environment, number=IMPATIENT) | {"SCRIP_LOCK_TIMEOUT_SECONDS": "1"}
    folder = tmp_path_factory.mktemp("impatient")
    with Worker(folder=folder, environment=variables) as worker, Client(variables) as client:
        yield worker.wait_ready(), client


@pytest.fixture
def impatient(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running_impatient_worker: tuple[Worker, Client],
) -> Iterator[tuple[Worker, Client]]:
    """That worker on an empty database, and its client. After the test every message is acknowledged."""
    worker, client = running_impatient_worker
    worker.revive()
    yield worker, client
    worker.settle()
