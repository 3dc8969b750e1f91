"""Broker and result store behind Sentinels: workers and senders follow to the server that takes over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.database import rows
from tests.end_to_end.flower import running_flower
from tests.end_to_end.programs import Program, Worker
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.sentinels import WatchedServers
from tests.support.overdue_schedule import write_overdue_schedule
from tests.support.waiting import eventually


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedServers]:
    """Run a server, a replica and two Sentinels."""
    with WatchedServers(tmp_path) as running:
        yield running


def sender_of(watched: WatchedServers) -> CeleryClient:
    """Return a client, configured as docs/brokers.md says."""
    return CeleryClient(
        broker_url=watched.urls,
        result_backend=watched.urls,
        broker_transport_options=watched.sender_options,
        result_backend_transport_options=watched.sender_options,
    )


@pytest.mark.slow
def test_workers_and_senders_follow_the_server(
    database: dict[str, str], watched: WatchedServers, tmp_path: Path
) -> None:
    """The acceptance is in the database once. After the failover, the same worker decides the next redemption."""
    variables = database | watched.variables
    with Worker(folder=tmp_path / "worker", environment=variables) as worker, sender_of(watched) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        sender.redeem("SUMMER")
        watched.fail_over()
        with sender_of(watched) as later:
            later.redeem("SUMMER")
        assert rows(database["DATABASE_URL"], "SELECT redemptions FROM vouchers") == [(2,)]


@pytest.mark.slow
def test_beat_and_flower_find_the_server(database: dict[str, str], watched: WatchedServers, tmp_path: Path) -> None:
    """Beat sends a sweep, and Flower counts that message."""
    write_overdue_schedule(tmp_path / "schedule")
    variables = database | watched.variables | {"SCRIP_BEAT_SCHEDULE_FILE": str(tmp_path / "schedule")}
    with (
        Program("beat", folder=tmp_path / "beat", environment=variables) as beat,
        running_flower(tmp_path / "flower", variables) as flower,
    ):
        eventually(lambda: flower.queue_lengths().get("sweeps"))
        assert "Traceback" not in beat.log
        assert "Traceback" not in flower.log
