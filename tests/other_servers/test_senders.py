"""The senders of docs/brokers.md, each copied from the page and run as a program of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.documents.blocks import blocks
from tests.end_to_end.broker import with_redis
from tests.end_to_end.programs import Worker
from tests.other_servers.rabbitmq_server import RabbitMq
from tests.other_servers.sentinels import WatchedServers
from tests.support.requests import create_voucher

# A database of Valkey for the results.
RESULTS = 15


def assert_accepted(snippet: str, variables: Mapping[str, str], folder: Path) -> None:
    """Run a snippet beside a worker on the same variables, and check that it prints that its request is accepted."""
    create_voucher(project="acme", code="SUMMER")
    with Worker(folder=folder / "worker", environment=variables) as worker:
        worker.wait_ready()
        done = subprocess.run(
            [sys.executable, "-c", snippet],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "accepted\n"), done.stderr


@pytest.mark.slow
def test_a_sender_behind_sentinels_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """Its options are those of the page."""
    sentinel, _ = blocks("docs/brokers.md", "python")
    with WatchedServers(tmp_path) as watched:
        assert_accepted(sentinel, database | watched.variables, tmp_path)


@pytest.mark.scale
def test_a_sender_to_rabbitmq_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """Starting RabbitMQ takes long. CI runs this test before the suite."""
    _, sender = blocks("docs/brokers.md", "python")
    with RabbitMq(tmp_path / "rabbit") as rabbit:
        results = with_redis(database, number=RESULTS)["REDIS_URL"]
        assert_accepted(sender, database | {"BROKER_URL": rabbit.url, "RESULT_BACKEND_URL": results}, tmp_path)
