"""A connection to a server that can be cut without either side being told, as by a firewall."""

import selectors
import socket
import threading
from typing import Self

from scrip.stack.listener import LOOPBACK

CHUNK_BYTES = 2**16
# The thread looks this often whether it has to stop.
LOOK_SECONDS = 0.05


class Network:
    """A port that forwards to a server. While it is cut, nothing passes, and nothing is closed."""

    def __init__(self, server_port: int) -> None:
        """Listen on a free port."""
        self._server_port = server_port
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        # The other end of each connection, and the ends whose bytes are no longer forwarded.
        self._other_end: dict[socket.socket, socket.socket] = {}
        self._silent: list[socket.socket] = []
        self._is_cut = self._has_ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._forward)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended = True
        self._thread.join()
        for each in (*self._other_end, *self._silent, self._listener):
            each.close()
        self._selector.close()

    def cut(self) -> None:
        """Silence the connections for ever, and let new ones wait until the network is restored."""
        with self._lock:
            self._is_cut = True
            for each in self._other_end:
                self._selector.unregister(each)
            self._silent += self._other_end
            self._other_end.clear()

    def restore(self) -> None:
        """Forward new connections again."""
        with self._lock:
            self._is_cut = False

    def _forward(self) -> None:
        while not self._has_ended:
            events = self._selector.select(LOOK_SECONDS)
            with self._lock:
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._connect()
                    elif key.fileobj in self._other_end:
                        self._pass_on(key.fileobj)

    def _connect(self) -> None:
        client, _ = self._listener.accept()
        if self._is_cut:
            self._silent.append(client)
            return
        server = socket.create_connection((LOOPBACK, self._server_port))
        self._other_end.update({client: server, server: client})
        for each in (client, server):
            self._selector.register(each, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        try:
            data = end.recv(CHUNK_BYTES)
            self._other_end[end].sendall(data)
        except OSError:
            data = b""
        if not data:
            for each in (end, self._other_end[end]):
                self._selector.unregister(each)
                del self._other_end[each]
                each.close()
