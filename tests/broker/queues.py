"""Messages that are sent by kombu's own transport, and consumers on either."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kombu import Connection, Consumer, Message, Queue
from redis import Redis

from tests.end_to_end.running import DEADLINE_SECONDS, Json
from tests.loss.siege import Server as Server  # noqa: PLC0414 - the same server serves here
from worker.broker.transport import consuming_url

DRAIN_SECONDS = 0.05
OPTIONS: dict[str, Any] = {"visibility_timeout": 3_600}


class Consuming:
    """A consumer of some queues, in this process and without an event loop."""

    def __init__(self, connection: Connection, *, acknowledges: bool) -> None:
        """This method will begin with nothing received."""
        self.connection, self.acknowledges = connection, acknowledges
        self.messages: list[Message] = []

    def receive(self, message: Message) -> None:
        """This method will note a message."""
        self.messages.append(message)
        if self.acknowledges and message.acknowledged is False:
            message.ack()

    @property
    def bodies(self) -> list[Any]:
        """This property will be what was received."""
        return [message.payload for message in self.messages]

    @property
    def channel(self) -> Any:
        """This property will be the channel."""
        return self.connection.default_channel

    def drain_until(self, condition: Callable[[], object]) -> None:
        """This method will receive until the condition holds, or fail at the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.bodies
            self.drain_once()

    def drain_once(self, seconds: float = DRAIN_SECONDS) -> None:
        """This method will receive what comes within so long."""
        with suppress(socket.timeout):
            self.connection.drain_events(timeout=seconds)

    def receive_count(self, count: int) -> list[Any]:
        """This method will receive so many messages and return their bodies."""
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
) -> Iterator[Consuming]:
    """This context will consume the queues, by our transport or by kombu's."""
    address = url if stock else consuming_url(url)
    with Connection(address, transport_options={**OPTIONS, **options}) as connection:
        consumer = Consuming(connection, acknowledges=acknowledges)
        connection.default_channel.basic_qos(0, prefetch_count, False)  # noqa: FBT003 - kombu's own
        declared = [Queue(name, routing_key=name) for name in queues]
        with Consumer(connection, declared, on_message=consumer.receive, accept=["json"], no_ack=no_ack):
            yield consumer


def send(url: str, queue: str, *bodies: object, priority: int = 0, headers: Json | None = None, **options: Any) -> None:
    """This function will send messages as any client does."""
    with Connection(url, transport_options=options) as connection, connection.Producer() as producer:
        for body in bodies:
            producer.publish(
                body, exchange="", routing_key=queue, priority=priority, headers=headers, serializer="json"
            )


def calls(redis: Redis) -> dict[str, int]:
    """This function will count the server's commands since they were last counted anew, by their names."""
    statistics: dict[str, Any] = redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in statistics.items()}
