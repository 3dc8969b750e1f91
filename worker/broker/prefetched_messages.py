"""The messages that a channel has fetched and not acknowledged, limited by number and by size."""

import threading
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import redis, virtual
from redis.exceptions import ResponseError

from worker.broker.unacknowledged import unacknowledged_of

logger = get_logger(__name__)


class QoS(redis.QoS):
    """The prefetched messages of a channel.

    Redis has the same list: the script that fetches messages adds them to the unacknowledged messages.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.unacknowledged = unacknowledged_of(self.channel)
        self.bytes_held = 0
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def track(self, tag: str, *, size: int) -> None:
        """Count a fetched message before its delivery, so that closing the channel restores an undelivered message.

        `size` is in bytes.
        """
        with self._lock:
            self.bytes_held += size - self._sizes.pop(tag, 0)
            self._sizes[tag] = size
        virtual.QoS.append(self, None, tag)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Keep a message that is being delivered. Only a message of a fanout queue is not in Redis yet."""
        if delivery_tag in self._sizes:
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def can_consume(self) -> bool:
        """Return whether another message may be prefetched, by the number of messages and by their size."""
        return bool(super().can_consume()) and self.bytes_held < self.channel.prefetch_bytes

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message: on the loop's thread before the loop waits next, on any other thread at once."""
        self.unacknowledged.acknowledge(delivery_tag)
        self._forget(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's own signature
        """Drop a message by acknowledging it, or put it back at the end of its queue that is fetched first."""
        if requeue:
            self.unacknowledged.put_back(delivery_tag)
        else:
            self.unacknowledged.acknowledge(delivery_tag)
        self._forget(delivery_tag)

    def postpone(self, delivery_tag: str, *, until: float) -> None:
        """Have a message wait on the server until an instant of the server's clock, in seconds since 1970."""
        self.unacknowledged.postpone(delivery_tag, until=until)
        self._forget(delivery_tag)

    def forget(self, tags: frozenset[str]) -> None:
        """Stop counting messages, and do not put them back. They stay unacknowledged."""
        for tag in tags:
            self._forget_here(tag)

    def flush_acknowledgements(self, *, is_last: bool = False) -> None:
        """Send the pending changes. They are kept if this raises the connection's error.

        If the server has just refused to write, this waits for a later call, unless `is_last`.
        """
        # If the connection was given up, the next channel sends them.
        if self.unacknowledged and self.channel.is_attached() and (is_last or not self.unacknowledged.is_refused()):
            with self.channel.conn_or_acquire() as client:
                self.unacknowledged.flush(self.channel, client)

    def renew(self, tags: frozenset[str]) -> None:
        """Renew the leases of the messages with the tags."""
        with self.channel.conn_or_acquire() as client:
            try:
                self.unacknowledged.renew(self.channel, client, sorted(tags))
            except ResponseError as error:
                self.unacknowledged.note_refused(error)

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002 - kombu's own signature
        """Put the unacknowledged messages back into their queues."""
        self._flush()
        for tag in self._delivered:
            self.unacknowledged.put_back(tag)
        self.flush_acknowledgements(is_last=True)
        self._delivered.clear()
        with self._lock:
            self._sizes.clear()
            self.bytes_held = 0

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Put the unacknowledged messages back into their queues when the channel is closed.

        If the broker cannot be reached, the next channel puts them back, or their leases end. No error is raised: the
        connection's other channels would stay open, and the worker could not connect again.
        """
        if not self.channel.is_attached():
            self._delivered.clear()
        try:
            super().restore_unacked_once(stderr)
        except self.channel.connection_errors:
            count = len(self._delivered)
            logger.warning("could not put back %d messages: they are redelivered when their leases end", count)
            self._delivered.clear()

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Put back the messages of any worker whose leases are over, after sending our own changes."""
        self.flush_acknowledgements()
        with self.channel.conn_or_acquire() as client:
            try:
                count = self.unacknowledged.put_back_overdue(self.channel, client)
            except ResponseError as error:
                self.unacknowledged.note_refused(error)
                return
        if count:
            logger.info("put back %d messages whose leases were over", count)
            self.channel.look_for_overdue_soon()

    def _forget(self, tag: str) -> None:
        self._forget_here(tag)
        if not self.channel.is_polled_by_this_thread():
            self.flush_acknowledgements()

    def _forget_here(self, tag: str) -> None:
        with self._lock:
            self.bytes_held -= self._sizes.pop(tag, 0)
        virtual.QoS.ack(self, tag)
