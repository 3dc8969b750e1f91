"""A server with a replica, and Sentinels that watch both and let the replica take over."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.sentinel import Sentinel

from scrip.stack.listener import LOOPBACK, free_port
from tests.other_servers.redis_servers import RedisServer, valkey_program
from tests.other_servers.server_program import ServerProgram
from tests.support.waiting import eventually

MASTER = "main"
# One password for the servers, another for the Sentinels.
PASSWORD, SENTINEL_PASSWORD = "of-servers", "of-sentinels"
SENTINELS = 2


class SentinelServer(ServerProgram):
    """A Sentinel that watches the server at a port. All Sentinels must agree that it is down."""

    def __init__(self, folder: Path, *, watched_port: int, program: str, down_milliseconds: int) -> None:
        """Describe the Sentinel, which takes a server for down that is silent for so long."""
        port = free_port()
        super().__init__(folder, command=(program, str(folder / "sentinel.conf"), "--sentinel"), port=port)
        lines = (
            f"bind {LOOPBACK}",
            f"port {port}",
            f"dir {folder}",
            f"requirepass {SENTINEL_PASSWORD}",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
            f"sentinel monitor {MASTER} {LOOPBACK} {watched_port} {SENTINELS}",
            f"sentinel auth-pass {MASTER} {PASSWORD}",
            f"sentinel down-after-milliseconds {MASTER} {down_milliseconds}",
            f"sentinel failover-timeout {MASTER} {down_milliseconds * 4}",
        )
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def master(self) -> dict[str, Any]:
        """Return the state of the watched server, as the Sentinel knows it."""
        with Redis(host=LOOPBACK, port=self.port, password=SENTINEL_PASSWORD, decode_responses=True) as client:
            state: dict[str, Any] = client.sentinel_master(MASTER)
            return state

    def knows_the_others(self) -> bool:
        """Return whether the Sentinel knows the other Sentinels and the replica."""
        state = self.master()
        return (state["num-other-sentinels"], state["num-slaves"]) == (SENTINELS - 1, 1)


class WatchedServers:
    """A server, its replica and two Sentinels."""

    def __init__(
        self,
        folder: Path,
        *,
        program: str | None = None,
        down_milliseconds: int = 500,
        announced_port: Callable[[RedisServer], int] = lambda server: server.port,
    ) -> None:
        """Describe all of them. They reach each other, and clients reach them, at the announced ports."""
        passwords = {"requirepass": PASSWORD, "masterauth": PASSWORD}
        servers = [RedisServer(folder / name, program=program) for name in ("server", "replica")]
        self.servers = {announced_port(each): each for each in servers}
        for port, each in self.servers.items():
            each.configure(**passwords, replica_announce_port=port, repl_diskless_sync_delay=0)
        watched_port, _ = self.servers
        servers[1].configure(replicaof=f"{LOOPBACK} {watched_port}")
        self.sentinels = [
            SentinelServer(
                folder / f"sentinel-{number}",
                watched_port=watched_port,
                program=program or valkey_program(),
                down_milliseconds=down_milliseconds,
            )
            for number in range(SENTINELS)
        ]

    def __enter__(self) -> Self:
        with ExitStack() as started:
            for each in (*self.servers.values(), *self.sentinels):
                started.enter_context(each)
            eventually(self._is_complete)
            self._started = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    @property
    def urls(self) -> str:
        """The URLs of the Sentinels with the password of the servers."""
        return ";".join(f"sentinel://:{PASSWORD}@{LOOPBACK}:{each.port}/0" for each in self.sentinels)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of workers and beat."""
        return {
            "BROKER_URL": self.urls,
            "RESULT_BACKEND_URL": self.urls,
            "SCRIP_SENTINEL_MASTER_NAME": MASTER,
            "SCRIP_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
        }

    @property
    def sender_options(self) -> dict[str, Any]:
        """The transport options of a sender, as docs/brokers.md says."""
        return {"master_name": MASTER, "sentinel_kwargs": {"password": SENTINEL_PASSWORD}}

    def client(self) -> Redis:
        """Return a client that follows the master."""
        addresses = [(LOOPBACK, each.port) for each in self.sentinels]
        sentinels = Sentinel(addresses, sentinel_kwargs={"password": SENTINEL_PASSWORD})
        client: Redis = sentinels.master_for(MASTER, password=PASSWORD, decode_responses=True)
        return client

    @property
    def master(self) -> RedisServer:
        """The server that the first Sentinel calls the master."""
        return self.servers[int(self.sentinels[0].master()["port"])]

    def fail_over(self) -> RedisServer:
        """Kill the master, wait until its replica has taken over, and return the killed server."""
        killed = self.master
        killed.kill()
        (other_port,) = (port for port, server in self.servers.items() if server is not killed)
        eventually(lambda: all(each.master()["port"] == other_port for each in self.sentinels))
        return killed

    def take_back(self, killed: RedisServer) -> None:
        """Start a killed server again, and wait until it is the replica of the other."""
        killed.start()
        eventually(self._is_complete)

    def _is_complete(self) -> bool:
        with Redis(host=LOOPBACK, port=self.master.port, password=PASSWORD, decode_responses=True) as client:
            state = client.info("replication")
        is_replicated = state["role"] == "master" and state.get("slave0", {}).get("state") == "online"
        return is_replicated and all(each.knows_the_others() for each in self.sentinels)
