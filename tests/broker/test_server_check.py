"""A worker looks at its broker before it starts."""

from pathlib import Path

import pytest

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.programs import Program
from tests.other_servers.redis_servers import RedisServer
from tests.support.waiting import eventually
from worker.broker.server_check import problem_of_redis


@pytest.mark.parametrize("version", ["5.0.14", "6.0.16"])
def test_an_old_redis_is_refused(version: str) -> None:
    """The fetching script needs the commands of Redis 6.2."""
    assert problem_of_redis({"redis_version": version}) == f"it is Redis {version}, and must be 6.2 or newer"


@pytest.mark.parametrize("version", ["6.2.0", "7.2.4", "10.0.0", "unstable", ""])
def test_a_newer_server_is_taken(version: str) -> None:
    """Servers of other makes may have a version that is no number."""
    assert problem_of_redis({"redis_version": version}) is None


@pytest.mark.slow
def test_a_cluster_ends_the_worker_with_one_line(database: dict[str, str], tmp_path: Path) -> None:
    """Its keys lie on several servers, so no message can be moved in one step."""
    with (
        RedisServer(tmp_path / "cluster", cluster_enabled="yes", cluster_port=free_port()) as server,
        Program("worker", folder=tmp_path / "worker", environment=database | {"REDIS_URL": server.url}) as worker,
    ):
        eventually(lambda: not worker.is_alive())
        assert worker.process.returncode == 1
        assert worker.log.count("scrip: the broker cannot be used: a transaction cannot span the slots") == 1
        assert "Traceback" not in worker.log


@pytest.mark.slow
def test_a_broker_that_may_lose_messages_is_warned_of(database: dict[str, str], tmp_path: Path) -> None:
    """The worker starts all the same, since only the operator knows why."""
    with (
        RedisServer(tmp_path / "evicting", maxmemory_policy="allkeys-lru", appendonly="no") as server,
        Program(
            "worker", "--loglevel", "INFO", folder=tmp_path / "worker", environment=database | {"REDIS_URL": server.url}
        ) as worker,
    ):
        eventually(lambda: " ready." in worker.log)
        assert worker.log.count("the broker may lose messages: ") == 2


@pytest.mark.slow
def test_a_worker_waits_for_a_broker_that_is_not_there_yet(database: dict[str, str], tmp_path: Path) -> None:
    """The look at the broker does not end the worker."""
    nowhere = {"REDIS_URL": f"redis://{LOOPBACK}:{free_port()}/0"}
    with Program("worker", folder=tmp_path / "worker", environment=database | nowhere) as worker:
        eventually(lambda: "cannot connect to" in worker.log)
        assert worker.is_alive()
