"""The poller of a connection, which flushes acknowledgements before the loop waits and wakes on notifications."""

import threading
from typing import Any

from kombu.transport import redis

from worker.broker.notifications import NotificationConnection

# An idle channel fetches again after this time, in case a notification was lost.
IDLE_SECONDS_MAX = 1
NOTIFICATION = "NOTIFICATION"
# Fifty messages are put back and received in some 10 ms, while new messages wait.
OVERDUE_PAUSE_SECONDS = 0.03


class Poller(redis.MultiChannelPoller):
    """A poller of all channels of a connection."""

    # The thread that runs the loop. The loop may be waiting, so other threads send their acknowledgements at once.
    thread: int | None = None
    # The worker's event loop, or None if a program polls without one.
    loop: Any = None

    def on_poll_start(self) -> None:
        """Flush acknowledgements and start fetching before the loop waits."""
        self.thread = threading.get_ident()
        self.flush_acknowledgements()
        super().on_poll_start()

    def on_readable(self, fileno: int) -> None:
        """Read a reply or a notification. A notification is read even if no more messages may be prefetched."""
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if channel is not None and kind == NOTIFICATION:
            channel.on_notification()
        super().on_readable(fileno)

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        """Wait for a message without an event loop.

        Acknowledgements are flushed afterwards, since the caller may never wait again.
        """
        try:
            return super().get(callback, IDLE_SECONDS_MAX if timeout is None else min(timeout, IDLE_SECONDS_MAX))
        finally:
            self.flush_acknowledgements()

    def maybe_restore_messages(self) -> None:
        """Put back the messages whose leases are over. Raises the error of a lost connection, unlike kombu."""
        for channel in self._channels:
            if channel.active_queues:
                channel.qos.restore_visible()
                # The leases do not belong to a channel.
                return

    def look_for_overdue_soon(self) -> None:
        """Look again for messages whose leases are over, after the loop has done other work for a while."""
        if self.loop is not None:
            self.loop.call_later(OVERDUE_PAUSE_SECONDS, self.maybe_restore_messages)

    def flush_acknowledgements(self) -> None:
        """Send the pending changes of the unacknowledged messages of all channels."""
        for channel in self._channels:
            channel.flush_acknowledgements()

    def register_notifications(self, channel: Any, notifications: NotificationConnection) -> None:
        """Add the connection for notifications of a channel to the sockets that the loop waits for."""
        if not self._client_registered(channel, notifications, NOTIFICATION):
            self._register(channel, notifications, NOTIFICATION)
