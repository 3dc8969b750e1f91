"""A RabbitMQ node of a test's own, with its own port mapper: nothing is left running and no other node is touched."""

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from kombu import Connection, Queue
from kombu.transport.native_delayed_delivery import MAX_LEVEL, level_name

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.broker import QUEUES, UNNAMED
from tests.other_servers.certificates import Certificate
from tests.other_servers.server_program import ServerProgram, installed

BIN = Path("/usr/lib/rabbitmq/bin")
CONTROL_SECONDS_MAX = 60
# A sender's configuration, as docs/brokers.md says.
SENDER_CONFIGURATION: dict[str, Any] = {
    "broker_transport_options": {"confirm_publish": True},
    "task_queues": [Queue(name, routing_key=name, no_declare=True) for name in QUEUES],
}


class RabbitMq:
    """Debian's RabbitMQ. Its data is in a folder, so a node that was killed starts again on it."""

    def __init__(self, folder: Path, certificate: Certificate | None = None, *, is_managed: bool = False) -> None:
        """Describe the node. With a certificate, it listens for TLS on a second port.

        `is_managed` enables the management plugin, which listens on a port of its own.
        """
        installed("rabbitmq-server", package="rabbitmq-server")
        folder.mkdir(parents=True, exist_ok=True)
        self.authority_file = certificate and certificate.authority_file
        self.port, self.tls_port, mapper_port = free_port(), free_port(), free_port()
        self.environment = {
            # Erlang writes the cookie of its nodes there.
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(mapper_port),
            "RABBITMQ_NODENAME": "test@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_LOGS": "-",
            # A node would start the mapper as a daemon, which would outlive the test.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
            "RABBITMQ_CTL_ERL_ARGS": "-start_epmd false",
        }
        lines = [f"listeners.tcp.1 = {LOOPBACK}:{self.port}", "log.console.level = warning"]
        if certificate is not None:
            lines += [
                f"listeners.ssl.1 = {LOOPBACK}:{self.tls_port}",
                f"ssl_options.cacertfile = {certificate.authority_file}",
                f"ssl_options.certfile = {certificate.file}",
                f"ssl_options.keyfile = {certificate.key_file}",
                "ssl_options.verify = verify_none",
            ]
        self.management_port = free_port()
        if is_managed:
            lines += [f"management.tcp.ip = {LOOPBACK}", f"management.tcp.port = {self.management_port}"]
            (folder / "plugins").write_text("[rabbitmq_management].\n")
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        mapper = installed("epmd", package="erlang-base")
        self.mapper = ServerProgram(
            folder / "mapper", command=(mapper,), port=mapper_port, environment=self.environment
        )
        server = str(BIN / "rabbitmq-server")
        self.node = Node(folder / "node", command=(server,), port=self.port, environment=self.environment)

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self.mapper)
            started.enter_context(self.node)
            self._started = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    @property
    def url(self) -> str:
        """The node's URL."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}//"

    @property
    def tls_url(self) -> str:
        """The node's URL for TLS."""
        return f"amqps://guest:guest@{LOOPBACK}:{self.tls_port}//"

    @property
    def management_url(self) -> str:
        """The URL of the management plugin."""
        return f"http://guest:guest@{LOOPBACK}:{self.management_port}/api/"

    def control(self, *words: str) -> str:
        """Run `rabbitmqctl` and return its output."""
        ended = subprocess.run(
            [BIN / "rabbitmqctl", "--quiet", *words],
            env=self.node.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=CONTROL_SECONDS_MAX,
        )
        return ended.stdout

    def purge(self) -> None:
        """Empty all queues, those whose messages move on to others first."""
        existing = self.queues().keys()
        with Connection(self.url) as connection:
            for name in (*(level_name(level) for level in range(MAX_LEVEL, -1, -1)), *QUEUES, UNNAMED):
                if name in existing:
                    Queue(name)(connection.default_channel).purge()

    def ready(self, queue: str) -> int:
        """Return the number of messages in a queue that no worker has received, as it is now."""
        with Connection(self.url) as connection:
            count: int = Queue(queue)(connection.default_channel).queue_declare(passive=True).message_count
            return count

    def queues(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of ready and of unacknowledged messages of each queue, as of some seconds ago."""
        lines = self.control("list_queues", "name", "messages_ready", "messages_unacknowledged", "--no-table-headers")
        rows = (line.split("\t") for line in lines.splitlines())
        return {name: (int(ready), int(unacknowledged)) for name, ready, unacknowledged in rows}


class Node(ServerProgram):
    """The node itself, which is ready when a client can log in."""

    # The node is a child of a shell, which passes only this signal on.
    death_signal = signal.SIGTERM

    def is_ready(self) -> bool:
        """Return whether a client can log in. Fails if the node has ended."""
        if not super().is_ready():
            return False
        try:
            with Connection(f"amqp://{LOOPBACK}:{self.port}//", connect_timeout=1) as connection:
                connection.connect()
        except OSError:
            return False
        return True
