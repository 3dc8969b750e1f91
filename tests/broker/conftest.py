"""A Valkey server for these tests only: some of them change its configuration."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.broker.durable_valkey import DurableValkey, running_valkey
from worker.broker.redis_transport import register


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DurableValkey]:
    """Run a server for a module of tests."""
    register()
    with running_valkey(tmp_path_factory.mktemp("valkey") / "home") as server:
        yield server


@pytest.fixture
def server(running_server: DurableValkey) -> DurableValkey:
    """Return the server, empty and with new statistics."""
    with Redis.from_url(running_server.url) as client:
        client.flushall()
        client.script_flush()
        client.config_resetstat()
    return running_server


@pytest.fixture
def redis(server: DurableValkey) -> Iterator[Redis]:
    """Yield a connection to the server, for a view from outside of kombu."""
    with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def url(server: DurableValkey) -> str:
    """Return the URL of the server."""
    return server.url
