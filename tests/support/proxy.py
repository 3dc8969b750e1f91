"""A loopback proxy in front of a server, which can delay, hold back, reset and forget connections.

with Proxy("redis://127.0.0.1:6379/0") as proxy:
    client = Redis.from_url(proxy.url)
    proxy.forget()
"""

import re
import socket
import struct
import threading
import time
from contextlib import suppress
from enum import StrEnum
from typing import Self

from scrip.stack.listener import LOOPBACK, free_port

CHUNK_BYTES = 65_536
DIRECTIONS = 2
CUT_DELAY_SECONDS = 3
# With this option, closing a socket sends a reset instead of waiting for the peer.
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Cut(StrEnum):
    """What happens to a connection whose client sends certain bytes, such as COMMIT."""

    # The server never sees the bytes.
    RESET_BEFORE = "reset-before"
    # The server sees the bytes, and the client never sees the answer.
    RESET_AFTER = "reset-after"
    DELAY = "delay"
    # The bytes vanish, and both sides hear nothing any more.
    SILENCE_BEFORE = "silence-before"
    # The server sees the bytes, the answer vanishes, and both sides hear nothing any more.
    SILENCE_AFTER = "silence-after"


class Proxy:
    """Forwards each connection to a server, by two threads each. Faults apply to all connections at once."""

    def __init__(self, url: str) -> None:
        """Listen in front of the server on this machine at the URL. `url` then leads through the proxy."""
        before, port, after = re.split(r":(\d+)(?=/)", url, maxsplit=1)
        self.target, self.port = int(port), free_port()
        self.url = f"{before}:{self.port}{after}"
        # Everything is delayed by so long, in both directions.
        self.delay_seconds = 0.0
        self.links: set[Link] = set()
        self.cuts: list[tuple[bytes, Cut]] = []
        self.cuts_made = 0
        self.open = threading.Event()
        self.open.set()
        self.lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((LOOPBACK, self.target))
        except OSError:
            client.close()
            return
        link = Link(self, client, server)
        with self.lock:
            self.links.add(link)
        threading.Thread(target=link.pump, args=(server, client), daemon=True).start()
        link.pump(client, server)

    def hold_back(self) -> None:
        """Forward nothing any more, in either direction. New connections are accepted."""
        self.open.clear()

    def let_through(self) -> None:
        """Forward what was held back, and everything after it."""
        self.open.set()

    def reset(self) -> None:
        """Reset all connections, on both sides."""
        for link in self._current():
            link.reset()

    def forget(self) -> None:
        """Forward nothing on the present connections for ever, without a word to either side."""
        for link in self._current():
            link.is_forgotten = True

    def abandon(self) -> None:
        """Forget the present connections, and close the server's sides: the clients' sides are half-open."""
        self.forget()
        for link in self._current():
            with suppress(OSError):
                link.server.shutdown(socket.SHUT_RDWR)

    def cut_at(self, sent: bytes, *cuts: Cut) -> None:
        """Cut the connections whose clients are the next to send those bytes."""
        with self.lock:
            self.cuts.extend((sent, cut) for cut in cuts)

    def next_cut(self, data: bytes) -> Cut | None:
        """Return the cut for a connection whose client sends the data now."""
        with self.lock:
            if not self.cuts or self.cuts[0][0] not in data:
                return None
            self.cuts_made += 1
            return self.cuts.pop(0)[1]

    def _current(self) -> list["Link"]:
        with self.lock:
            return list(self.links)

    def close(self) -> None:
        """End the proxy and all of its connections."""
        # This wakes the thread that accepts, which would otherwise keep the port open.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.open.set()
        self.reset()


class Link:
    """A connection of a client with the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.is_forgotten = False
        self.is_answer_swallowed = False
        self._is_forgotten_next = False
        self._ended = 0

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Forward from one side to the other until a side ends."""
        try:
            while data := source.recv(CHUNK_BYTES):
                time.sleep(self.proxy.delay_seconds)
                self.proxy.open.wait()
                if source is self.client:
                    self._cut(data)
                if self.is_answer_swallowed and source is self.server:
                    self.reset()
                    return
                if not self.is_forgotten:
                    target.sendall(data)
                    self._forget_after(source)
        except OSError:
            pass
        finally:
            self._end()

    def _cut(self, data: bytes) -> None:
        match self.proxy.next_cut(data):
            case Cut.RESET_BEFORE:
                self.reset()
            case Cut.RESET_AFTER:
                self.is_answer_swallowed = True
            case Cut.DELAY:
                time.sleep(CUT_DELAY_SECONDS)
            case Cut.SILENCE_BEFORE:
                self.is_forgotten = True
            case Cut.SILENCE_AFTER:
                self._is_forgotten_next = True

    def _forget_after(self, source: socket.socket) -> None:
        if self._is_forgotten_next and source is self.client:
            self.is_forgotten = True

    def reset(self) -> None:
        """Reset both sides."""
        for each in (self.client, self.server):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                each.shutdown(socket.SHUT_RD)
            each.close()
        with self.proxy.lock:
            self.proxy.links.discard(self)

    def _end(self) -> None:
        """End the other direction too, and close the sockets after both."""
        # A forgotten connection stays open: its client hears nothing, not even that the server has gone.
        if self.is_forgotten:
            return
        for each in (self.client, self.server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self.proxy.lock:
            self._ended += 1
            if self._ended == DIRECTIONS:
                self.client.close()
                self.server.close()
                self.proxy.links.discard(self)
