"""A process of the stack that listens on a port of the loopback interface."""

import secrets
import socket
from functools import cached_property

from scrip.stack.process import Pause, StackProcess

LOOPBACK = "127.0.0.1"
# Linux gives ports from 32768 up to outgoing connections. With a port from that range, a client that tries to reach a
# stopped server could be given the server's own port, and the server could not listen again.
PORTS = range(20_000, 32_768)
# More than five taken ports in a row are no coincidence.
MOVES_MAX = 5
ADDRESS_IN_USE = "Address already in use"


def free_port() -> int:
    """Return a loopback port on which nobody listens. Another program may take the port a moment later."""
    while True:
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                continue
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


class Listener(StackProcess):
    """A process with a port. If the port is taken at the first start, the process moves to another port."""

    _moves = 0
    _keeps_port = False

    @cached_property
    def port(self) -> int:
        """A port that was free a moment ago."""
        return free_port()

    def wait_ready(self, pause: Pause) -> None:
        """Wait until the process is ready. The port is then fixed, because it is in URLs handed to others."""
        super().wait_ready(pause)
        self._keeps_port = True

    def can_try_again(self) -> bool:
        """Return whether the process failed because the port was taken, and choose another port."""
        if self._keeps_port or self._moves == MOVES_MAX or ADDRESS_IN_USE not in self.output():
            return False
        self._moves += 1
        self.port = free_port()
        return True
