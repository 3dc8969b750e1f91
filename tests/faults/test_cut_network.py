"""A network that swallows every packet between a worker and the broker: the worker notices, and connects again."""

import time
from pathlib import Path
from urllib.parse import urlsplit

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Worker
from tests.faults.network import Network
from tests.support.requests import redemption, voucher_body

CUT_OFF = 13
# The worker has to be connected again within this time after the network was cut.
NOTICED_SECONDS_MAX = 10
LOST = "Connection to broker lost"


def test_a_worker_notices_that_the_broker_is_gone(database: dict[str, str], tmp_path: Path) -> None:
    """No connection is closed. The worker gives up its own, and the next message is decided on a new one."""
    variables = with_redis(database, number=CUT_OFF)
    broker = urlsplit(variables["REDIS_URL"])
    assert broker.port is not None
    with Network(broker.port) as network:
        through = {
            "BROKER_URL": variables["REDIS_URL"].replace(f"{LOOPBACK}:{broker.port}", f"{LOOPBACK}:{network.port}")
        }
        with Worker(folder=tmp_path / "worker", environment=variables | through) as worker, Client(variables) as client:
            worker.wait_ready()
            client.ask("vouchers.create", voucher_body(code="SUMMER"))
            network.cut()
            cut_at = time.monotonic()
            worker.eventually(lambda: LOST in worker.log)
            assert time.monotonic() - cut_at < NOTICED_SECONDS_MAX
            network.restore()
            client.ask("redemptions.redeem", redemption(code="SUMMER"))
            worker.wait_until_acknowledged()
    assert rows(database["DATABASE_URL"], "SELECT redemptions FROM vouchers") == [(1,)]
