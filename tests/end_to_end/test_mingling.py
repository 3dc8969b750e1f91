"""A worker that has lost its connection learns of revocations while it works."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.broker.durable_valkey import DurableValkey, running_valkey
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker

REVOKED_ID = "7d0a1f9e-revoked-meanwhile"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[DurableValkey]:
    """Run a server of the test's own."""
    with running_valkey(tmp_path / "home") as server:
        yield server


@pytest.fixture
def workers(database: dict[str, str], valkey: DurableValkey, tmp_path: Path) -> Iterator[list[Worker]]:
    """Run two workers on that server."""
    environment = {**database, "REDIS_URL": valkey.url}
    with ExitStack() as running:
        workers = [
            running.enter_context(Worker(folder=tmp_path / name, environment=environment, children=1, asks_others=True))
            for name in ("informed", "uninformed")
        ]
        yield [each.wait_ready() for each in workers]


@contextmanager
def connected(worker: Worker) -> Iterator[tuple[Any, Any]]:
    """Yield the remote control of the workers, and a connection of its own."""
    with Client(worker.environment) as client, client.app.connection_for_write() as connection:
        yield client.app.control, connection


def inspect(worker: Worker, *nodes: str, what: str) -> dict[str, Any]:
    """Return the answers of nodes, or of all nodes."""
    with connected(worker) as (control, connection):
        return getattr(control.inspect(nodes or None, timeout=1, connection=connection), what)() or {}


def test_a_worker_learns_what_was_revoked_while_it_was_away(workers: list[Worker]) -> None:
    """New messages need not wait for that: only a worker that starts waits for the others' answers."""
    informed, uninformed = workers
    nodes = {name.partition("@")[0]: name for name in inspect(informed, what="ping")}
    with connected(informed) as (control, connection):
        control.revoke(REVOKED_ID, destination=[nodes["informed"]], connection=connection)

    def knows(worker: Worker) -> bool:
        node = nodes[worker.log_file.parent.name]
        return REVOKED_ID in inspect(worker, node, what="revoked").get(node, [])

    informed.eventually(lambda: knows(informed))
    assert not knows(uninformed)
    for kind in ("normal", "pubsub"):
        informed.broker.redis.client_kill_filter(_type=kind, skipme=True)
    uninformed.eventually(lambda: knows(uninformed))
    for worker in workers:
        assert worker.log.count("mingle: searching for neighbors") == 1
