"""The loop's side of a connection to Redis: what is due is sent before the loop waits, and a doorbell wakes it."""

import threading
from typing import Any

from kombu.transport import redis

from worker.doorbell import Doorbell

# A change of which the server did not tell is noticed after that long.
IDLE_SECONDS_MAX = 1
DOORBELL = "DOORBELL"


class Poller(redis.MultiChannelPoller):
    """The loop's side of all channels of a connection."""

    # Acknowledgements from any other thread cannot wait for the loop, which may be asleep.
    thread: int | None = None

    def on_poll_start(self) -> None:
        """This method will send what is due and ask for what there is room for, before the loop waits."""
        self.thread = threading.get_ident()
        self.settle()
        super().on_poll_start()

    def on_readable(self, fileno: int) -> None:
        """This method will read what has come, a doorbell's also where there is no room for more messages."""
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if channel is not None and kind == DOORBELL:
            channel.hear()
        super().on_readable(fileno)

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        """This method will wait without an event loop. Nobody knows whether its caller will do so again."""
        try:
            return super().get(callback, IDLE_SECONDS_MAX if timeout is None else min(timeout, IDLE_SECONDS_MAX))
        finally:
            self.settle()

    def settle(self) -> None:
        """This method will send the acknowledgements that are due."""
        for channel in self._channels:
            channel.settle()

    def register_doorbell(self, channel: Any, doorbell: Doorbell) -> None:
        """This method will wait for the doorbell too."""
        if not self._client_registered(channel, doorbell, DOORBELL):
            self._register(channel, doorbell, DOORBELL)
