"""A part that listens on a port of the loopback interface."""

import secrets
import socket
from functools import cached_property

from scrip.stack.process import Pause, StackProcess

LOOPBACK = "127.0.0.1"
# Below the range (32768 up, on Linux) from which the kernel gives ports to outgoing connections: a client that
# tries to reach a server that is down could otherwise be given that very port, and the server not get it back.
PORTS = range(20_000, 32_768)
# More collisions than that are no coincidence.
MOVES_MAX = 5
ADDRESS_IN_USE = "Address already in use"


def free_port() -> int:
    """This function will return a loopback port on which nobody listens, though somebody may a moment later."""
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
    """A part with a port, which it gives up for another one when somebody else was faster at the first start."""

    _moves = 0
    _settled = False

    @cached_property
    def port(self) -> int:
        """This property will be the port: one that was free a moment ago."""
        return free_port()

    def wait_ready(self, pause: Pause) -> None:
        """This method will wait until the part is ready. From then on it keeps its port: it is in others' URLs."""
        super().wait_ready(pause)
        self._settled = True

    def can_try_again(self) -> bool:
        """This method will move to another port when the first one was taken."""
        if self._settled or self._moves == MOVES_MAX or ADDRESS_IN_USE not in self.output():
            return False
        self._moves += 1
        self.port = free_port()
        return True
