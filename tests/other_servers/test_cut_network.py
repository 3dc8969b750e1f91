"""Connections to the broker on which nothing arrives any more: the worker notices, and connects again."""

import time
from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Worker
from tests.support.proxy import Proxy
from tests.support.requests import redemption, voucher_body

CUT_OFF = 13
# A dead connection is noticed within 10 s. The worker then tries its other dead connections, for 3 s each.
CONNECTED_SECONDS_MAX = 30


@pytest.mark.slow
def test_a_worker_gives_up_dead_connections(database: dict[str, str], tmp_path: Path) -> None:
    """As after a failover of a firewall: nobody closes the connections, and new ones are accepted."""
    variables = with_redis(database, number=CUT_OFF)
    with Proxy(variables["REDIS_URL"]) as proxy:
        through = variables | {"BROKER_URL": proxy.url}
        with Worker(folder=tmp_path / "worker", environment=through) as worker, Client(variables) as client:
            worker.wait_ready()
            client.ask("vouchers.create", voucher_body(code="SUMMER"))
            worker.wait_until_acknowledged()
            proxy.forget()
            cut_at = time.monotonic()
            client.ask("redemptions.redeem", redemption(code="SUMMER"))
            assert time.monotonic() - cut_at < CONNECTED_SECONDS_MAX
            worker.wait_until_acknowledged()
    assert rows(database["DATABASE_URL"], "SELECT redemptions FROM vouchers") == [(1,)]
