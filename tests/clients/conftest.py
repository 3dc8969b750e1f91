"""A worker on a database of Valkey of its own, and the Python client beside it, with a sender's rights."""

from collections.abc import Iterator, Mapping

import pytest

from scrip_client import Client
from tests.end_to_end.broker import Broker, with_redis
from tests.end_to_end.database import close_connections
from tests.end_to_end.programs import Worker
from tests.support.administrator import empty_broker

ANSWERED, UNREAD = 15, 13


def senders_url(environment: Mapping[str, str], *, number: int) -> str:
    """Return the address of a numbered database of Valkey for senders."""
    return with_redis({"REDIS_URL": environment["PRODUCER_REDIS_URL"]}, number=number)["REDIS_URL"]


@pytest.fixture(scope="session", autouse=True)
def closed_connections() -> Iterator[None]:
    """Close the connections to databases after the last test."""
    yield
    close_connections()


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Run a worker for a module."""
    variables = with_redis(environment, number=ANSWERED)
    empty_broker(variables["REDIS_URL"])
    with Worker(folder=tmp_path_factory.mktemp("worker"), environment=variables) as worker:
        yield worker.wait_ready()
        assert worker.stop() == 0, worker.log
    empty_broker(variables["REDIS_URL"])


@pytest.fixture
def client(
    database: dict[str, str],  # first, so that the audit comes last
    running: Worker,
) -> Iterator[Client]:
    """Yield a client of the worker on an empty database. Every message is acknowledged afterwards."""
    running.restart_if_stuck()
    with Client(senders_url(database, number=ANSWERED), timeout=60) as client:
        yield client
    running.wait_until_acknowledged()


@pytest.fixture
def unread(environment: dict[str, str]) -> Iterator[Broker]:
    """Yield an empty broker from which no worker reads."""
    variables = with_redis(environment, number=UNREAD)
    empty_broker(variables["REDIS_URL"])
    broker = Broker(variables)
    yield broker
    broker.redis.close()
    empty_broker(variables["REDIS_URL"])
