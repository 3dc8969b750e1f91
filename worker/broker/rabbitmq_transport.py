"""A RabbitMQ transport whose waits end, and that survives any message: kombu's own does neither.

While RabbitMQ's memory or disk is full, it reads nothing more from a connection that has published, and tells the
connection so. A worker publishes events in its event loop, so it would decide nothing until there is room.
"""

from contextlib import nullcontext, suppress
from time import monotonic
from typing import Any

from amqp import Message, method_framing  # type: ignore[import-untyped]
from amqp.exceptions import IrrecoverableChannelError, RecoverableConnectionError  # type: ignore[import-untyped]
from kombu.transport import TRANSPORT_ALIASES, pyamqp

from worker.broker.decompression import UNDEFINED, is_text_encoding

# A reply takes milliseconds, and the declaration of a queue up to a second.
REPLY_SECONDS_MAX = 10
# The names of the encoding of a body that is no text.
BINARY = ("binary", "ascii-8bit", "")
# RabbitMQ confirms the message that it read last before it blocked the connection. It may not have read this one.
BLOCKED_SECONDS_MAX = 1


class Blocked(IrrecoverableChannelError):
    """RabbitMQ accepts no message now. To connect again would not help, so kombu does not do that."""


class BoundedWait:
    """The part of a channel and of a connection that waits for replies."""

    connection: Any

    def wait(
        self,
        method: Any,
        callback: Any = None,
        timeout: float | None = None,
        returns_tuple: bool = False,  # noqa: FBT001, FBT002 - py-amqp's own
    ) -> Any:
        """Wait for a reply. Raises TimeoutError, which is a lost connection to kombu, if there is none in time."""
        with self.connection.bounded(timeout) if self.connection else nullcontext():
            return super().wait(method, callback, timeout, returns_tuple)  # type: ignore[misc]


class Channel(BoundedWait, pyamqp.Channel):
    """A channel whose waits end."""

    def basic_publish_confirm(self, *arguments: Any, **options: Any) -> Any:
        """Publish a message and wait until RabbitMQ has stored it. Raises Blocked if RabbitMQ accepts none now."""
        connection = self.connection
        if connection is None:
            # Raises the error of a closed connection.
            return super().basic_publish_confirm(*arguments, **options)
        connection.require_unblocked()
        try:
            return super().basic_publish_confirm(*arguments, **options)
        except TimeoutError:
            connection.is_tainted = True
            connection.require_unblocked()
            raise


class Deadline:
    """The end of a wait on a connection, however many frames arrive before. Heartbeats do not defer it."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self.connection = connection
        self.at = monotonic() + seconds

    def __enter__(self) -> None:
        self.outer, self.connection.deadline = self.connection.deadline, self

    def __exit__(self, *_: object) -> None:
        self.connection.deadline = self.outer


class Connection(BoundedWait, pyamqp.Connection):
    """A connection whose waits end."""

    Channel = Channel
    deadline: Deadline | None = None
    is_blocked = False
    # A message has got no confirmation in time.
    is_tainted = False

    def bounded(self, seconds: float | None) -> Deadline:
        """Return a context in which all reads together take no longer than so many seconds."""
        return Deadline(self, BLOCKED_SECONDS_MAX if self.is_blocked else seconds or REPLY_SECONDS_MAX)

    def blocking_read(self, timeout: float | None = None) -> Any:
        """Read a frame. Raises TimeoutError if the wait that needs it has lasted too long."""
        if self.deadline is not None:
            left = self.deadline.at - monotonic()
            if left <= 0:
                raise TimeoutError("RabbitMQ did not answer in time")
            timeout = left if timeout is None else min(timeout, left)
        return super().blocking_read(timeout)

    def require_unblocked(self) -> None:
        """Raise Blocked if RabbitMQ reads nothing from this connection, by what it has sent until now.

        Raises RecoverableConnectionError if a message has got no confirmation in time: the next message would take a
        late one for its own. A blocked connection is kept until then: RabbitMQ would not notice that it is closed.
        """
        if self.is_blocked:
            with suppress(TimeoutError):
                self.drain_events(timeout=0)
        if self.is_blocked:
            raise Blocked("RabbitMQ accepts no messages now, and may store this one later")
        if self.is_tainted:
            self.collect()
            raise RecoverableConnectionError("a message was not confirmed in time")

    def _on_blocked(self) -> None:
        super()._on_blocked()
        self.is_blocked = True
        if self.deadline is not None:
            self.deadline.at = min(self.deadline.at, monotonic() + BLOCKED_SECONDS_MAX)

    def _on_unblocked(self) -> None:
        super()._on_unblocked()
        self.is_blocked = False


class ReadableMessage(Message):
    """A message that has no properties if py-amqp cannot read them. Its error would end one worker after the other."""

    properties: dict[str, Any]

    def _load_properties(self, class_id: int, buf: Any, offset: int) -> int:
        try:
            offset = super()._load_properties(class_id, buf, offset)
            if not all(isinstance(name, str) for name in self.properties.get("application_headers") or ()):
                self.properties = {}
            # py-amqp decodes the body by whatever encoding its sender names.
            encoding = self.properties.get("content_encoding", "utf-8")
            if encoding not in BINARY and not is_text_encoding(encoding):
                self.properties["content_encoding"] = UNDEFINED
        except Exception:  # noqa: BLE001 - any bytes may come, and the message is dropped for its missing headers
            self.properties = {}
        return offset


class Transport(pyamqp.Transport):
    """kombu's transport with our connection."""

    Connection = Connection


class SecureTransport(pyamqp.SSLTransport):
    """The same over TLS."""

    Connection = Connection


def register() -> None:
    """Put the transports and the message in the place of the libraries' own, in this process."""
    TRANSPORT_ALIASES.update({"amqp": lambda: Transport, "amqps": lambda: SecureTransport})
    method_framing.Message = ReadableMessage
