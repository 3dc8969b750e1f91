"""Broker and result store behind Sentinels: workers and senders follow to the server that takes over."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Program, Worker
from tests.end_to_end.waiting import eventually
from tests.faults.flower import running_flower
from tests.faults.redis_servers import MASTER, SentinelServer, ValkeyServer
from tests.faults.sender import Sender
from tests.support.overdue_schedule import write_overdue_schedule

# One password for the servers, another for the Sentinels.
PASSWORD, SENTINEL_PASSWORD = "of-servers", "of-sentinels"


class Watched(NamedTuple):
    """A server with a replica, and two Sentinels that watch them."""

    server: ValkeyServer
    replica: ValkeyServer
    sentinels: list[SentinelServer]

    @property
    def urls(self) -> str:
        """The URLs of the Sentinels with the password of the servers."""
        return ";".join(f"sentinel://:{PASSWORD}@{LOOPBACK}:{each.port}/0" for each in self.sentinels)

    def environment(self) -> dict[str, str]:
        """Return the variables of workers and beat."""
        return {
            "BROKER_URL": self.urls,
            "RESULT_BACKEND_URL": self.urls,
            "SCRIP_SENTINEL_MASTER_NAME": MASTER,
            "SCRIP_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
        }

    def sender(self) -> Sender:
        """Return a client, configured as docs/brokers.md says."""
        options = {"master_name": MASTER, "sentinel_kwargs": {"password": SENTINEL_PASSWORD}}
        return Sender(
            broker_url=self.urls,
            result_backend=self.urls,
            broker_transport_options=options,
            result_backend_transport_options=options,
        )

    def fail_over(self) -> None:
        """Kill the server, and wait until the replica has taken over."""
        self.server.kill()
        eventually(lambda: all(each.master()["port"] == self.replica.port for each in self.sentinels))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Run a server, a replica and two Sentinels."""
    passwords = {"requirepass": PASSWORD, "masterauth": PASSWORD}
    with ExitStack() as running:
        server = running.enter_context(ValkeyServer(tmp_path / "server", **passwords))
        replication = {"replicaof": f"{LOOPBACK} {server.port}", "repl_diskless_sync_delay": 0}
        replica = running.enter_context(ValkeyServer(tmp_path / "replica", **passwords, **replication))
        sentinels = [
            SentinelServer(
                tmp_path / name,
                watched_port=server.port,
                quorum=2,
                password=SENTINEL_PASSWORD,
                server_password=PASSWORD,
            )
            for name in ("one", "two")
        ]
        for each in sentinels:
            running.enter_context(each)
        for each in sentinels:
            each.wait_for(sentinels=1, replicas=1)
        yield Watched(server, replica, sentinels)


def test_workers_and_senders_follow_the_server(database: dict[str, str], watched: Watched, tmp_path: Path) -> None:
    """The acceptance is in the database once. After the failover, the same worker decides the next redemption."""
    variables = database | watched.environment()
    with Worker(folder=tmp_path / "worker", environment=variables) as worker, watched.sender() as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        sender.redeem("SUMMER")
        watched.fail_over()
        with watched.sender() as later:
            later.redeem("SUMMER")
        assert rows(database["DATABASE_URL"], "SELECT redemptions FROM vouchers") == [(2,)]


def test_beat_and_flower_find_the_server(database: dict[str, str], watched: Watched, tmp_path: Path) -> None:
    """Beat sends a sweep, and Flower counts that message."""
    write_overdue_schedule(tmp_path / "schedule")
    variables = database | watched.environment() | {"SCRIP_BEAT_SCHEDULE_FILE": str(tmp_path / "schedule")}
    with (
        Program("beat", folder=tmp_path / "beat", environment=variables) as beat,
        running_flower(tmp_path / "flower", variables) as flower,
    ):
        eventually(lambda: (flower.queue_lengths() or {}).get("sweeps"))
        assert "Traceback" not in beat.log
        assert "Traceback" not in flower.log
