"""Senders on kombu's own transport, and consumers on either transport."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kombu import Connection, Consumer, Message, Queue
from redis import Redis

from tests.end_to_end.broker import Json
from tests.support.waiting import DEADLINE_SECONDS
from worker.broker.redis_transport import consuming_url

DRAIN_SECONDS = 0.05
OPTIONS: dict[str, Any] = {"visibility_timeout": 3_600}


class RecordingConsumer:
    """A consumer that records the messages, in this process and without an event loop."""

    def __init__(self, connection: Connection, *, acknowledges: bool) -> None:
        """Begin with no messages. `acknowledges` says whether each message is acknowledged when received."""
        self.connection, self.acknowledges = connection, acknowledges
        self.messages: list[Message] = []

    def receive(self, message: Message) -> None:
        """Record a message."""
        self.messages.append(message)
        if self.acknowledges and message.acknowledged is False:
            message.ack()

    @property
    def bodies(self) -> list[Any]:
        """The bodies of the recorded messages."""
        return [message.payload for message in self.messages]

    @property
    def channel(self) -> Any:
        """The channel of the consumer."""
        return self.connection.default_channel

    def drain_until(self, condition: Callable[[], object]) -> None:
        """Receive messages until the condition holds, or fail at the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.bodies
            self.drain_once()

    def drain_once(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait up to `seconds` for an event of the connection, such as a message."""
        with suppress(socket.timeout):
            self.connection.drain_events(timeout=seconds)

    def receive_count(self, count: int) -> list[Any]:
        """Receive messages until `count` are recorded, and return all bodies."""
        self.drain_until(lambda: len(self.messages) >= count)
        return self.bodies


@contextmanager
def consuming(
    url: str,
    *queues: str,
    stock: bool = False,
    prefetch_count: int = 0,
    acknowledges: bool = True,
    no_ack: bool = False,
    **options: Any,
) -> Iterator[RecordingConsumer]:
    """Consume the queues, on our transport or, if `stock`, on kombu's. `options` are transport options."""
    address = url if stock else consuming_url(url)
    with Connection(address, transport_options={**OPTIONS, **options}) as connection:
        consumer = RecordingConsumer(connection, acknowledges=acknowledges)
        connection.default_channel.basic_qos(0, prefetch_count, False)  # noqa: FBT003 - kombu's own
        declared = [Queue(name, routing_key=name) for name in queues]
        with Consumer(connection, declared, on_message=consumer.receive, accept=["json"], no_ack=no_ack):
            yield consumer


def send(url: str, queue: str, *bodies: object, priority: int = 0, headers: Json | None = None, **options: Any) -> None:
    """Send messages as any client does."""
    with Connection(url, transport_options=options) as connection, connection.Producer() as producer:
        for body in bodies:
            producer.publish(
                body, exchange="", routing_key=queue, priority=priority, headers=headers, serializer="json"
            )


def command_counts(redis: Redis) -> dict[str, int]:
    """Return how often the server has run each command since the statistics were reset."""
    statistics: dict[str, Any] = redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in statistics.items()}


def cut_connections(redis: Redis) -> None:
    """Make the server close every connection except this one."""
    for kind in ("normal", "pubsub"):
        redis.client_kill_filter(_type=kind, skipme=True)
