"""A RabbitMQ transport whose waits end: kombu's own waits for a reply without an end.

While RabbitMQ's memory or disk is full, it reads nothing more from a connection that has published, and tells the
connection so. A worker publishes events in its event loop, so it would decide nothing until there is room.
"""

from typing import Any

from amqp.exceptions import IrrecoverableChannelError  # type: ignore[import-untyped]
from kombu.transport import TRANSPORT_ALIASES, pyamqp

# A reply takes milliseconds, and the declaration of a queue up to a second.
REPLY_SECONDS_MAX = 10


class Blocked(IrrecoverableChannelError):
    """RabbitMQ accepts no message now. To connect again would not help, so kombu does not do that."""


class BoundedWait:
    """A part of a channel and of a connection, which waits for replies."""

    def wait(
        self,
        method: Any,
        callback: Any = None,
        timeout: float | None = None,
        returns_tuple: bool = False,  # noqa: FBT001, FBT002 - py-amqp's own
    ) -> Any:
        """Wait for a reply. Raises TimeoutError, which is a lost connection to kombu, if there is none in time."""
        return super().wait(method, callback, timeout or REPLY_SECONDS_MAX, returns_tuple)  # type: ignore[misc]


class Channel(BoundedWait, pyamqp.Channel):
    """A channel whose waits end."""

    def basic_publish_confirm(self, *arguments: Any, **options: Any) -> Any:
        """Publish a message and wait until RabbitMQ has stored it. Raises Blocked if RabbitMQ accepts none now."""
        connection = self.connection
        if connection is None:
            # Raises the error of a closed connection.
            return super().basic_publish_confirm(*arguments, **options)
        connection.is_publishing = True
        try:
            return super().basic_publish_confirm(*arguments, **options)
        except (Blocked, TimeoutError):
            # The next message would take a late confirmation for its own.
            connection.collect()
            raise
        finally:
            connection.is_publishing = False


class Connection(BoundedWait, pyamqp.Connection):
    """A connection whose waits end."""

    Channel = Channel
    is_publishing = False

    def _on_blocked(self) -> None:
        super()._on_blocked()
        if self.is_publishing:
            raise Blocked


class Transport(pyamqp.Transport):
    """kombu's transport with our connection."""

    Connection = Connection


class SecureTransport(pyamqp.SSLTransport):
    """The same over TLS."""

    Connection = Connection


def register() -> None:
    """Put the transports in the place of kombu's own, in this process."""
    TRANSPORT_ALIASES.update({"amqp": lambda: Transport, "amqps": lambda: SecureTransport})
