"""A broker that is away, or that refuses to write: workers wait, and go on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker.durable_valkey import DurableValkey, running_valkey
from tests.broker.test_leases import break_disk
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

FAILURE = re.compile(r"cannot connect to .*, trying again in ([0-9.]+) s")
PAUSE_SECONDS_MAX = 0.25


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[DurableValkey]:
    """Run a server of the test's own."""
    with running_valkey(tmp_path / "home") as server:
        yield server


@pytest.fixture
def worker(database: dict[str, str], valkey: DurableValkey, tmp_path: Path) -> Iterator[Worker]:
    """Run a worker on that server."""
    variables = {**database, "REDIS_URL": valkey.url}
    with Worker(folder=tmp_path / "worker", environment=variables, children=1) as worker:
        yield worker.wait_ready()


@pytest.fixture
def client(worker: Worker) -> Iterator[Client]:
    """Return a client of that worker."""
    with Client(worker.environment) as client:
        yield client


def test_a_broker_that_was_away_for_long_is_found_soon(valkey: DurableValkey, worker: Worker, client: Client) -> None:
    """The pauses between two attempts to connect do not grow."""
    voucher = created_voucher(client)
    valkey.kill()
    worker.eventually(lambda: len(FAILURE.findall(worker.log)) > 1)
    assert max(map(float, FAILURE.findall(worker.log))) == PAUSE_SECONDS_MAX
    valkey.start()
    client.broker.redis.close()
    assert client.ask("redemptions.redeem", redemption(voucher=voucher))["redemptionNumber"] == 1


def test_a_worker_outlives_a_full_disk_of_its_broker(valkey: DurableValkey, worker: Worker, client: Client) -> None:
    """Even if the connection breaks meanwhile."""
    voucher = created_voucher(client)
    redis: Any = client.broker.redis
    obstacle = break_disk(valkey, redis)
    worker.eventually(lambda: "MISCONF" in worker.log)
    before = worker.log.count("MISCONF")
    redis.client_kill_filter(_type="normal", skipme=True)
    worker.eventually(lambda: worker.log.count("MISCONF") > before)
    obstacle.rmdir()
    redis.bgsave()
    eventually(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "ok")
    assert client.ask("redemptions.redeem", redemption(voucher=voucher))["redemptionNumber"] == 1
    worker.wait_until_acknowledged()
