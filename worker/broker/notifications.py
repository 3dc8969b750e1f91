"""Notifications of new messages, without polling and without popping anything.

The server remembers the keys that a connection has read, and sends a notification when any of them changes. Redis calls
this client-side caching. Any number of lists can be watched; `BLMOVE key key RIGHT RIGHT` waits for a single list.
"""

import ssl
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

# The channel on which a connection with protocol version 2 (RESP2) receives the notifications.
CHANGES = "__redis__:invalidate"
# A notification has less than 100 bytes.
READ_BYTES_MAX = 2**16


class NotificationConnection:
    """A connection that only receives notifications. To kombu's poller it is a client like any other."""

    def __init__(self, connection_pool: Any) -> None:
        """Describe the connection. The poller opens it."""
        self.connection_pool = connection_pool
        self.connection: Any = None
        # The sockets of the last subscription: of this connection, and of the connection that reads the keys.
        self._subscribed: Any = None

    def subscribe(self, reader: Any) -> None:
        """Make the server send a notification here when a key changes that the connection `reader` has read.

        Raises ResponseError if the server does not support that.
        """
        if self._subscribed == (sockets := (self.connection._sock, reader._sock)):  # noqa: SLF001 - new after a reconnect
            return
        client_id = _call(self.connection, "CLIENT", "ID")
        self.connection.send_command("SUBSCRIBE", CHANGES)
        self.connection.read_response(push_request=True)
        _call(reader, "CLIENT", "TRACKING", "ON", "REDIRECT", client_id, "NOLOOP")
        self._subscribed = sockets

    def read(self) -> None:
        """Read the pending notifications and discard them. Raises redis-py's ConnectionError if the server is gone."""
        sock = self.connection._sock  # noqa: SLF001 - kombu's poller waits for this very socket
        timeout = sock.gettimeout()
        try:
            sock.settimeout(0)
            alive = bool(sock.recv(READ_BYTES_MAX))
        except (BlockingIOError, ssl.SSLWantReadError):
            alive = True
        except OSError:
            alive = False
        finally:
            sock.settimeout(timeout)
        if not alive:
            self.connection.disconnect()
            raise RedisConnectionError("the server has closed the connection for notifications")


def _call(connection: Any, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()
