"""A Valkey of these tests' own: some change what it does."""

from collections.abc import Iterator

import pytest
from redis import Redis

from scrip.stack.data_folder import locked
from tests.broker.queues import Server
from worker.broker.transport import register


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It runs for a module."""
    register()
    home = tmp_path_factory.mktemp("valkey") / "home"
    with locked(home):
        server = Server(home)
        try:
            server.start()
            yield server
        finally:
            server.part.stop()


@pytest.fixture
def server(running_server: Server) -> Server:
    """It is empty at the start of a test."""
    with Redis.from_url(running_server.part.url) as client:
        client.flushall()
        client.script_flush()
        client.config_resetstat()
    return running_server


@pytest.fixture
def redis(server: Server) -> Iterator[Redis]:
    """A look into it from outside."""
    with Redis.from_url(server.part.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def url(server: Server) -> str:
    """Where it is."""
    return server.part.url
