"""Being told that a queue has something, without asking all the time and without taking anything.

The server remembers which keys a connection has looked at, and says once when one of them changes. Redis calls it
client-side caching, and it works for any number of lists. `BLMOVE key key RIGHT RIGHT` waits for one list only.
"""

import ssl
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

# Where a connection that speaks the second version of the protocol hears of changes.
CHANGES = "__redis__:invalidate"
# A change is told in less than a hundred bytes.
READ_BYTES_MAX = 2**16


class NotificationConnection:
    """A connection on which nothing is asked. For kombu's poller it is a client like any other."""

    def __init__(self, connection_pool: Any) -> None:
        """This method will describe the connection, which the poller makes."""
        self.connection_pool = connection_pool
        self.connection: Any = None
        self._heard_by: Any = None

    def subscribe(self, asking: Any) -> None:
        """This method will have the server tell here what happens to the keys that the other connection looks at.

        It raises ResponseError where the server does not know how.
        """
        if self._heard_by == (pair := (self.connection._sock, asking._sock)):  # noqa: SLF001 - a new socket is a new pair
            return
        identity = _ask(self.connection, "CLIENT", "ID")
        self.connection.send_command("SUBSCRIBE", CHANGES)
        self.connection.read_response(push_request=True)
        _ask(asking, "CLIENT", "TRACKING", "ON", "REDIRECT", identity, "NOLOOP")
        self._heard_by = pair

    def read(self) -> None:
        """This method will read what has come, without a look at it, or raise the connection's error."""
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
            raise RedisConnectionError("the server has closed the connection on which it tells of changes")


def _ask(connection: Any, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()
