"""The loop's side of a connection to Redis: what is due is sent before the loop waits, and a notifications wakes it."""

import threading
from typing import Any

from kombu.transport import redis

from worker.broker.notifications import NotificationConnection

# A change of which the server did not tell is noticed after that long.
IDLE_SECONDS_MAX = 1
NOTIFICATION = "NOTIFICATION"


class Poller(redis.MultiChannelPoller):
    """The loop's side of all channels of a connection."""

    # Acknowledgements from any other thread cannot wait for the loop, which may be asleep.
    thread: int | None = None

    def on_poll_start(self) -> None:
        """This method will send what is due and ask for what there is room for, before the loop waits."""
        self.thread = threading.get_ident()
        self.flush_acknowledgements()
        super().on_poll_start()

    def on_readable(self, fileno: int) -> None:
        """This method will read what has come, a notifications's also where there is no room for more messages."""
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if channel is not None and kind == NOTIFICATION:
            channel.on_notification()
        super().on_readable(fileno)

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        """This method will wait without an event loop. Nobody knows whether its caller will do so again."""
        try:
            return super().get(callback, IDLE_SECONDS_MAX if timeout is None else min(timeout, IDLE_SECONDS_MAX))
        finally:
            self.flush_acknowledgements()

    def flush_acknowledgements(self) -> None:
        """This method will send the acknowledgements that are due."""
        for channel in self._channels:
            channel.flush_acknowledgements()

    def register_notifications(self, channel: Any, notifications: NotificationConnection) -> None:
        """This method will wait for the notifications too."""
        if not self._client_registered(channel, notifications, NOTIFICATION):
            self._register(channel, notifications, NOTIFICATION)
