"""Brokers of a run under faults that are programs from Debian's packages, with an ordinary Celery client as sender."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil
from redis import Redis

from tests.faults.history import Json
from tests.faults.sending import Sender
from tests.faults.servers import ANSWER_SECONDS_MAX, BrokerServer
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.other_servers.redis_servers import RedisServer, redis_program
from tests.other_servers.sentinels import WatchedServers
from tests.other_servers.server_program import ServerProgram
from tests.support.proxy import Proxy

# Longer than the network is away when it blinks.
DOWN_MILLISECONDS = 5_000


class ClientSender(Sender):
    """Sends messages with Celery's client, and reads results from a server of the Redis family."""

    def __init__(self, client: Redis, *, seed: int, **configuration: Any) -> None:
        """Use the client for the results, and configure Celery."""
        super().__init__(client, seed=seed)
        self.app = CeleryClient(broker_connection_timeout=ANSWER_SECONDS_MAX, **configuration).app

    def send(self, task: str, request: Json, *, task_id: str) -> None:
        """Send a message."""
        self.app.send_task(task, kwargs={"request": request}, task_id=task_id)


class ProgramBroker(BrokerServer):
    """A broker that is one program."""

    def __init__(self, program: ServerProgram, *, url: str) -> None:
        """Use a program that runs."""
        super().__init__(url)
        self.program = program

    def start(self) -> None:
        """Start the program on the data that it had."""
        self.program.start()

    def stop(self) -> None:
        """Stop the program."""
        self.program.stop()

    def kill(self) -> None:
        """Kill the program."""
        self.program.kill()

    def processes(self) -> list[psutil.Process]:
        """Return the processes of the program."""
        return self.program.processes()


class RedisBroker(ProgramBroker):
    """A server of the Redis family, for messages and results."""

    def __init__(self, server: RedisServer, *, url: str, sender_url: str | None = None) -> None:
        """Use a server that runs. A sender may need another URL than a worker."""
        super().__init__(server, url=url)
        self.sender_url = sender_url or url

    @property
    def variables(self) -> dict[str, str]:
        """The variables of broker and result store."""
        return {"BROKER_URL": self.url, "RESULT_BACKEND_URL": self.url}

    def client(self) -> Redis:
        """Return a client past the proxy."""
        client: Redis = Redis.from_url(
            self.direct_url, decode_responses=True, socket_timeout=ANSWER_SECONDS_MAX, retry=None
        )
        return client

    def sender(self, *, seed: int) -> Sender:
        """Return a sender past the proxy."""
        return ClientSender(self.client(), seed=seed, broker_url=self.sender_url)


class RabbitMqBroker(ProgramBroker):
    """A RabbitMQ for messages, and a Redis for results."""

    def __init__(self, rabbit: RabbitMq, results: RedisServer) -> None:
        """Use servers that run."""
        super().__init__(rabbit.node, url=rabbit.url)
        self.results = RedisBroker(results, url=results.url)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of broker and result store."""
        return {"BROKER_URL": self.url, "RESULT_BACKEND_URL": self.results.url}

    @property
    def proxies(self) -> Sequence[Proxy]:
        """The proxies of both servers."""
        return [self.proxy, self.results.proxy]

    def sender(self, *, seed: int) -> Sender:
        """Return a sender past the proxies, which waits until RabbitMQ has confirmed each message."""
        return ClientSender(self.results.client(), seed=seed, broker_url=self.direct_url, **SENDER_CONFIGURATION)


class SentinelBroker(BrokerServer):
    """A Redis with a replica and two Sentinels. If the master is killed, the replica takes over."""

    # Replication is asynchronous.
    may_lose: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        """Describe the servers, each behind a proxy whose port the Sentinels tell."""
        self._proxies: list[Proxy] = []
        self.watched = WatchedServers(
            folder,
            program=redis_program(),
            down_milliseconds=DOWN_MILLISECONDS,
            announced_port=self._put_proxy_in_front,
        )
        self.direct_url = self.url = self.watched.urls

    def _put_proxy_in_front(self, server: RedisServer) -> int:
        self._proxies.append(Proxy(server.url))
        return self._proxies[-1].port

    @property
    def variables(self) -> dict[str, str]:
        """The variables of broker and result store."""
        return self.watched.variables

    @property
    def proxies(self) -> Sequence[Proxy]:
        """The proxies of the two servers."""
        return self._proxies

    def sender(self, *, seed: int) -> Sender:
        """Return a sender that asks the Sentinels for the master, which it reaches through a proxy."""
        options = self.watched.sender_options
        client = self.watched.client()
        return ClientSender(client, seed=seed, broker_url=self.url, broker_transport_options=options)

    def kill(self) -> None:
        """Kill the master, and wait until the replica has taken over."""
        self._killed = self.watched.fail_over()

    def start(self) -> None:
        """Start the killed server as the replica of the other."""
        self.watched.take_back(self._killed)

    def processes(self) -> list[psutil.Process]:
        """Return the processes of both servers."""
        return [process for each in self.watched.servers.values() for process in each.processes()]
