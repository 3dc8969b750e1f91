"""A result store that is full or does not answer: each effect is committed, and each message is acknowledged."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Worker
from tests.other_servers.redis_servers import RedisServer
from tests.support.requests import redemption, voucher_body

# A database of Valkey for the workers of these tests.
STORELESS = 14
# No message may be held up for longer by a result store.
HELD_UP_SECONDS_MAX = 30


@pytest.fixture
def full_store(tmp_path: Path) -> Iterator[str]:
    """Run a Valkey without memory, and yield its URL."""
    with RedisServer(tmp_path / "full", maxmemory=1) as server:
        yield server.url


@pytest.fixture
def silent_store() -> Iterator[str]:
    """Listen without ever answering, and yield the URL."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        yield f"redis://{LOOPBACK}:{silent.getsockname()[1]}/0"


@pytest.mark.slow
@pytest.mark.parametrize("store", ["full_store", "silent_store"])
def test_a_broken_store_costs_no_effect_and_little_time(
    database: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    """Every caller wants an answer. Celery itself stores that the last message has expired."""
    variables = with_redis(database, number=STORELESS)
    broken = {"RESULT_BACKEND_URL": request.getfixturevalue(store)}
    url = database["DATABASE_URL"]
    with Worker(folder=tmp_path / "worker", environment=variables | broken) as worker, Client(variables) as client:
        worker.wait_ready()
        client.send("vouchers.create", voucher_body(code="SUMMER"))
        worker.eventually(lambda: rows(url, "SELECT 1 FROM vouchers"))
        started = time.monotonic()
        for _ in range(3):
            client.send("redemptions.redeem", redemption(code="SUMMER"))
        client.send("redemptions.redeem", redemption(code="SUMMER"), expires=-1)
        worker.eventually(lambda: rows(url, "SELECT redemptions FROM vouchers") == [(3,)])
        worker.wait_until_acknowledged()
        assert time.monotonic() - started < HELD_UP_SECONDS_MAX
