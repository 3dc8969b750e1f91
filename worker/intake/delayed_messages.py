"""Messages that wait on RabbitMQ until they are due, or are tried again.

RabbitMQ cannot make an unacknowledged message wait. So a copy goes to the queues that Celery declares for its native
delayed delivery, one for each bit of a number of seconds, and the message is acknowledged when RabbitMQ has stored the
copy. A failure in between leaves both, which have one effect.
"""

from collections.abc import Callable, Mapping
from math import ceil
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple

from celery import Celery
from celery.utils.log import get_logger
from kombu import Connection, Message
from kombu.transport.native_delayed_delivery import MAX_LEVEL, calculate_routing_key, level_name

from worker.intake.envelope import headers_of
from worker.queues import queue_from

logger = get_logger(__name__)

# Celery declares the exchange and binds the queues at each start of a worker.
EXCHANGE = level_name(MAX_LEVEL)
# Over eight years. A message that is due later is delivered then, and waits again.
SECONDS_MAX = 2 ** (MAX_LEVEL + 1) - 1
# RabbitMQ confirms a message within milliseconds, and not at all while its memory or disk is full. After a failure,
# RabbitMQ is not asked again for the same time.
CONFIRM_SECONDS_MAX = 3
# Stands for the broker's flag, which a copy does not have: a child may have begun the message.
REDELIVERED = "redelivered"
# RabbitMQ's own headers of a message that has waited. It would drop the next copy as one that goes in circles.
HISTORY = ("x-death", "x-first-death-", "x-last-death-")
COPIED_PROPERTIES = ("correlation_id", "reply_to", "priority")


class DelayedCopy(NamedTuple):
    """A message of which a copy is to wait."""

    message: Message
    routing_key: str
    headers: Mapping[str, Any]
    # Called in the event loop, and told whether RabbitMQ has stored the copy.
    on_ended: Callable[[bool], None]


class DelayedMessages:
    """The copies that a worker publishes. A thread does it, since the event loop must not wait for RabbitMQ."""

    def __init__(self, app: Celery, *, hub: Any) -> None:
        self._app = app
        self._hub = hub
        self._copies = SimpleQueue[DelayedCopy]()
        self._thread: Thread | None = None
        self._connection: Connection | None = None
        self._quiet_until = 0.0

    def delay(
        self, message: Message, *, seconds: float, headers: Mapping[str, Any], on_ended: Callable[[bool], None]
    ) -> None:
        """Let a copy of a message wait for so many seconds, rounded up, and tell whether RabbitMQ has stored it."""
        queue = queue_from(message.delivery_info["routing_key"], task=headers_of(message)["task"])
        routing_key = calculate_routing_key(max(1, min(SECONDS_MAX, ceil(seconds))), queue)
        self._copies.put(DelayedCopy(message, routing_key, headers, on_ended))
        if self._thread is None:
            self._thread = Thread(target=self._publish_all, name="delayed-messages", daemon=True)
            self._thread.start()

    def _publish_all(self) -> None:
        while True:
            copy = self._copies.get()
            is_stored = monotonic() >= self._quiet_until and self._publish(copy)
            self._hub.call_soon(copy.on_ended, is_stored)

    def _publish(self, copy: DelayedCopy) -> bool:
        had_connection = self._connection is not None
        # RabbitMQ would close an idle connection that has heartbeats, since nobody sends them.
        connection = self._connection = self._connection or self._app.connection_for_write(heartbeat=0)
        try:
            connection.connect()
            self._publish_on(connection, copy)
        except Exception as error:  # noqa: BLE001 - whatever happens to a copy, the message waits in this worker
            self._connection = None
            connection.collect()
            if had_connection:
                # The connection was lost since the last copy, or now.
                return self._publish(copy)
            logger.warning("RabbitMQ did not store a message that has to wait: %s", type(error).__name__)
            self._quiet_until = monotonic() + CONFIRM_SECONDS_MAX
            return False
        return True

    def _publish_on(self, connection: Connection, copy: DelayedCopy) -> None:
        message = copy.message
        body = message.body
        properties = {name: message.properties[name] for name in COPIED_PROPERTIES if name in message.properties}
        connection.Producer(auto_declare=False).publish(
            body.encode() if isinstance(body, str) else bytes(body),
            exchange=EXCHANGE,
            routing_key=copy.routing_key,
            # Without a queue for it, RabbitMQ would confirm the copy and drop it.
            mandatory=True,
            confirm_timeout=CONFIRM_SECONDS_MAX,
            headers=dict(copy.headers),
            content_type=message.content_type,
            content_encoding=message.content_encoding or "utf-8",
            delivery_mode=2,
            **properties,
        )


def begun(message: Message) -> dict[str, Any]:
    """Return the headers of a copy of a message that a child may have begun."""
    return {**message.headers, REDELIVERED: True}


def note_return(message: Message) -> None:
    """Mark a message as redelivered if it was begun before it waited, and remove RabbitMQ's history of it."""
    headers = message.headers
    if headers.pop(REDELIVERED, None):
        message.delivery_info["redelivered"] = True
    for name in [each for each in headers if each.startswith(HISTORY)]:
        del headers[name]
