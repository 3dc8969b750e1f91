"""A TCP proxy on the loopback interface, through which a test loses what a network can lose.

with Proxy(("127.0.0.1", port)) as proxy:
    connect("127.0.0.1", proxy.port)
    proxy.mode = Mode.HOLE
"""

import socket
import struct
import time
from contextlib import suppress
from enum import Enum, auto
from selectors import EVENT_READ, DefaultSelector
from threading import Thread
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
READ_AT_ONCE = 65_536
# How soon a new mode reaches a flow on which nothing is sent.
POLL_SECONDS = 0.01
# A socket that is closed with this option, SO_LINGER, sends a reset.
NO_LINGER = struct.pack("ii", 1, 0)


class Mode(Enum):
    """What happens to the flows, present and future."""

    PASS = auto()
    # Everything is accepted and acknowledged, and nothing is forwarded.
    HOLE = auto()
    # Every flow is reset.
    RESET = auto()
    # The server's side is closed, and the client is not told, as if the server had lost its power.
    HALF_OPEN = auto()


class Proxy:
    """A proxy in one thread. The attributes may be changed at any time."""

    def __init__(self, target: tuple[str, int]) -> None:
        """Listen on a free port. Nothing is accepted before the context is entered."""
        self.mode = Mode.PASS
        self.delay_seconds = 0.0
        # The first client that sends these bytes, which are forwarded, gets no more answers.
        self.unanswered: bytes | None = None
        self._target = target
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._swallowed: set[socket.socket] = set()
        self._stopped = False
        self._thread = Thread(target=self._run, daemon=True)
        self._selector = DefaultSelector()
        self._listener = socket.create_server((LOOPBACK, 0))
        self._selector.register(self._listener, EVENT_READ)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        self._thread.join()
        for each in [*self._peers, self._listener]:
            each.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stopped:
            for key, _ in self._selector.select(POLL_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peers:
                    assert isinstance(key.fileobj, socket.socket)
                    self._forward(key.fileobj)
            self._apply_mode()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket()
        self._peers |= {client: server, server: client}
        self._clients.add(client)
        try:
            if self.mode is Mode.PASS:
                server.connect(self._target)
                self._selector.register(server, EVENT_READ)
        except OSError:
            self._close(client)
        else:
            self._selector.register(client, EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        try:
            data = source.recv(READ_AT_ONCE)
        except OSError:
            data = b""
        if not data:
            self._end(source)
            return
        if self.unanswered and self.unanswered in data:
            self._swallowed.add(self._peers[source])
            self.unanswered = None
        time.sleep(self.delay_seconds)
        if self.mode is Mode.PASS and source not in self._swallowed:
            with suppress(OSError):
                self._peers[source].sendall(data)

    def _end(self, source: socket.socket) -> None:
        # In any other mode a client does not learn that the server has closed the flow.
        if source in self._clients or self.mode is Mode.PASS:
            self._close(source)
        else:
            self._selector.unregister(source)

    def _apply_mode(self) -> None:
        if self.mode is Mode.RESET:
            for client in list(self._clients):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                self._close(client)
        if self.mode is Mode.HALF_OPEN:
            for client in self._clients:
                with suppress(OSError):
                    self._peers[client].shutdown(socket.SHUT_RDWR)

    def _close(self, either: socket.socket) -> None:
        for each in (either, self._peers[either]):
            with suppress(KeyError):
                self._selector.unregister(each)
            each.close()
            del self._peers[each]
            self._clients.discard(each)
            self._swallowed.discard(each)
