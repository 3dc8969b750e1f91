"""Copies of messages that have to wait on RabbitMQ, until they are due or are tried again.

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
from kombu.transport.native_delayed_delivery import (
    MAX_LEVEL,
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)

from worker.broker.rabbitmq_transport import Blocked
from worker.intake.delivery import Original
from worker.intake.envelope import original_of
from worker.intake.proof import signed_headers

logger = get_logger(__name__)

# The exchange of Celery's delayed delivery.
EXCHANGE = level_name(MAX_LEVEL)
# Over eight years. A message that is due later is delivered then, and waits again.
SECONDS_MAX = 2 ** (MAX_LEVEL + 1) - 1
# After a lost connection, nothing is published for this time: an attempt to connect may take as long.
QUIET_SECONDS = 3
# Somebody may delete the queues of Celery's delayed delivery. They are declared again no more often than this.
DECLARATION_SECONDS = 60
# A refusal is logged no more often than this.
LOG_SECONDS = 10
# Stands for the broker's flag, which a copy does not have: a child may have begun the message.
REDELIVERED = "scrip-redelivered"
# RabbitMQ's own headers of a message that has waited. It would drop the next copy as one that goes in circles.
HISTORY = ("x-death", "x-first-death-", "x-last-death-")
COPIED_PROPERTIES = ("correlation_id", "reply_to", "priority")


class Copy(NamedTuple):
    """A copy that is to be published."""

    original: Original
    properties: Mapping[str, Any]
    routing_key: str
    # Called in the event loop, and told whether RabbitMQ has stored the copy.
    on_ended: Callable[[bool], None]


class Republisher:
    """Publishes copies in a thread, since the event loop must not wait for RabbitMQ."""

    def __init__(self, app: Celery, *, hub: Any) -> None:
        self._app = app
        self._hub = hub
        self._copies = SimpleQueue[Copy]()
        self._thread: Thread | None = None
        self._connection: Connection | None = None
        self._quiet_until = self._declared_until = self._logged_until = 0.0

    def delay(
        self, message: Message, *, seconds: float, on_ended: Callable[[bool], None], is_begun: bool = False
    ) -> None:
        """Let a copy of a message wait for so many seconds, rounded up. `is_begun` says that a child has begun it."""
        original = original_of(message)
        # This worker has changed some: the expiry of a message that was begun.
        original = original._replace(headers={**original.headers, **signed_headers(message)})
        if is_begun or message.delivery_info.get("redelivered"):
            original = original._replace(headers={**original.headers, REDELIVERED: True})
        seconds = max(1, min(SECONDS_MAX, ceil(seconds)))
        # RabbitMQ's own `expiration` is left out: the message would leave the queue before its time.
        properties = {name: message.properties[name] for name in COPIED_PROPERTIES if name in message.properties}
        self._copies.put(Copy(original, properties, calculate_routing_key(seconds, original.queue), on_ended))
        if self._thread is None:
            self._thread = Thread(target=self._publish_all, name="republishing", daemon=True)
            self._thread.start()

    def _publish_all(self) -> None:
        while True:
            copy = self._copies.get()
            is_stored = False
            try:
                is_stored = monotonic() >= self._quiet_until and self._is_stored(copy)
            except Exception as error:  # noqa: BLE001 - whatever happens to a copy, the next ones are published
                self._log(f"a copy of a message could not be published: {type(error).__name__}")
            self._hub.call_soon(copy.on_ended, is_stored)

    def _is_stored(self, copy: Copy) -> bool:
        try:
            # Twice: the connection may have been lost since the last copy, or a queue may be missing.
            return self._is_stored_at_once(copy) or self._is_stored_at_once(copy)
        except Blocked:
            self._log("RabbitMQ accepts no messages now: those that have to wait stay in this worker")
            return False

    def _is_stored_at_once(self, copy: Copy) -> bool:
        # RabbitMQ would close an idle connection that has heartbeats, since nobody sends them.
        connection = self._connection = self._connection or self._app.connection_for_write(heartbeat=0)
        try:
            connection.connect()
            _publish(connection, copy)
        except Blocked:
            raise
        except Exception as error:  # noqa: BLE001 - whatever happens to a copy, the message stays in this worker
            self._log(f"RabbitMQ did not store a copy of a message: {type(error).__name__}")
            self._connection = None
            connection.collect()
            self._recover(error, connection)
            return False
        self._quiet_until = 0.0
        return True

    def _recover(self, error: Exception, connection: Connection) -> None:
        if not isinstance(error, connection.channel_errors):
            self._quiet_until = monotonic() + QUIET_SECONDS
        elif monotonic() >= self._declared_until:
            self._declared_until = monotonic() + DECLARATION_SECONDS
            self._declare()

    def _declare(self) -> None:
        with self._app.connection_for_write() as connection:
            try:
                declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
                for queue in self._app.amqp.queues.values():
                    bind_queue_to_native_delayed_delivery_exchange(connection, queue)
            except (*connection.connection_errors, *connection.channel_errors) as error:
                self._log(f"the queues of messages that wait could not be declared: {type(error).__name__}")

    def _log(self, line: str) -> None:
        if monotonic() >= self._logged_until:
            self._logged_until = monotonic() + LOG_SECONDS
            logger.warning(line)


def _publish(connection: Connection, copy: Copy) -> None:
    original = copy.original
    connection.Producer(auto_declare=False).publish(
        original.body,
        exchange=EXCHANGE,
        routing_key=copy.routing_key,
        # Without a queue for it, RabbitMQ would confirm the copy and drop it.
        mandatory=True,
        headers=dict(original.headers),
        content_type=original.content_type,
        content_encoding=original.content_encoding,
        delivery_mode=2,
        **copy.properties,
    )


def note_return(message: Message) -> None:
    """Mark a message as redelivered if it was begun before it waited, and remove RabbitMQ's history of it."""
    headers = message.headers
    if headers.pop(REDELIVERED, None):
        message.delivery_info["redelivered"] = True
    for name in [each for each in headers if each.startswith(HISTORY)]:
        del headers[name]
