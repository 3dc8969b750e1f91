"""A loopback proxy in front of a server, which can delay, hold back, reset and forget connections."""

import socket
import struct
import threading
import time
from contextlib import suppress
from enum import StrEnum

from scrip.stack.listener import LOOPBACK, free_port

CHUNK_BYTES = 65_536
COMMIT = b"COMMIT"
DIRECTIONS = 2
DELAY_SECONDS = 3
# With this option, closing a socket sends a reset instead of waiting for the peer.
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Cut(StrEnum):
    """What happens to a connection at its next COMMIT."""

    # The server never sees the COMMIT.
    RESET_BEFORE = "reset-before"
    # The server commits, and the client never sees the answer.
    RESET_AFTER = "reset-after"
    DELAY = "delay"
    # The COMMIT vanishes, and both sides hear nothing any more.
    HOLE = "hole"
    # The server commits, the answer vanishes, and both sides hear nothing any more.
    HALF_OPEN = "half-open"


class Proxy:
    """Forwards each connection to a port, by two threads each. Faults apply to all connections at once."""

    def __init__(self, target: int) -> None:
        """Describe the proxy of a server at that port."""
        self.target = target
        self.port = free_port()
        self.links: set[Link] = set()
        self.cuts: list[Cut] = []
        self.cuts_made = 0
        self.open = threading.Event()
        self.open.set()
        self.lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

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
        """Forward nothing any more, in either direction."""
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

    def cut_at_commit(self, *cuts: Cut) -> None:
        """Cut the connections that send the next COMMITs."""
        with self.lock:
            self.cuts.extend(cuts)

    def next_cut(self) -> Cut | None:
        """Return the cut for a connection that sends COMMIT now."""
        with self.lock:
            if not self.cuts:
                return None
            self.cuts_made += 1
            return self.cuts.pop(0)

    def _current(self) -> list["Link"]:
        with self.lock:
            return list(self.links)

    def close(self) -> None:
        """End the proxy and all of its connections."""
        self._listener.close()
        self.open.set()
        self.reset()


class Link:
    """A connection of a client with the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.is_forgotten = False
        self.is_answer_swallowed = False
        self._is_forgotten_after_commit = False
        self._ended = 0

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Forward from one side to the other until a side ends."""
        try:
            while data := source.recv(CHUNK_BYTES):
                self.proxy.open.wait()
                if source is self.client and COMMIT in data:
                    self._cut()
                if self.is_answer_swallowed and source is self.server:
                    self.reset()
                    return
                if not self.is_forgotten:
                    target.sendall(data)
                    self._forget_after_commit(source)
        except OSError:
            pass
        finally:
            self._end()

    def _cut(self) -> None:
        match self.proxy.next_cut():
            case Cut.RESET_BEFORE:
                self.reset()
            case Cut.RESET_AFTER:
                self.is_answer_swallowed = True
            case Cut.DELAY:
                time.sleep(DELAY_SECONDS)
            case Cut.HOLE:
                self.is_forgotten = True
            case Cut.HALF_OPEN:
                self._is_forgotten_after_commit = True

    def _forget_after_commit(self, source: socket.socket) -> None:
        if self._is_forgotten_after_commit and source is self.client:
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
