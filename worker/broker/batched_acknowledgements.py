"""How acknowledgements are sent on Redis: many at a time, and kept if the connection breaks.

docs/architecture.md lists the points at which a message is acknowledged.
"""

import os
import threading
from collections import deque
from functools import cache
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import redis, virtual

from worker.broker.fetch_script import UNREADABLE

logger = get_logger(__name__)

# At most this many delivery tags in a command, which blocks Redis for about 1 ms.
FLUSH_COUNT_MAX = 1_000


class PendingAcknowledgements:
    """The delivery tags of processed messages that are still to be removed from the unacknowledged messages.

    The tags outlive their channel: if the connection breaks, the next channel sends them.
    """

    def __init__(self, *, unacked: str, index: str) -> None:
        """Begin with none. `unacked` and `index` are kombu's keys for the unacknowledged messages and their index."""
        self._unacked, self._index = unacked, index
        self._tags: deque[str] = deque()

    def __bool__(self) -> bool:
        return bool(self._tags)

    def add(self, tag: str) -> None:
        """Add a delivery tag. Any thread may call this."""
        self._tags.append(tag)

    def flush(self, client: Any) -> None:
        """Send all pending acknowledgements.

        Raises the connection's error if the connection breaks; the tags that were not sent are kept.
        """
        while tags := self._next():
            try:
                with client.pipeline() as pipeline:
                    pipeline.zrem(self._index, *tags).hdel(self._unacked, *tags).execute()
            except BaseException:
                # The server may have received them. Sending them again does no harm.
                self._tags.extend(tags)
                raise

    def _next(self) -> list[str]:
        tags: list[str] = []
        while self._tags and len(tags) < FLUSH_COUNT_MAX:
            tags.append(self._tags.popleft())
        return tags


@cache
def _pending(_process: int, _broker: tuple[Any, ...], unacked: str, index: str) -> PendingAcknowledgements:
    return PendingAcknowledgements(unacked=unacked, index=index)


def pending_acknowledgements(channel: Any) -> PendingAcknowledgements:
    """Return the pending acknowledgements of this process for the channel's broker. A forked child begins with none."""
    address = channel.connection.client
    broker = (address.hostname, address.port, address.virtual_host, channel.global_keyprefix)
    return _pending(os.getpid(), broker, channel.unacked_key, channel.unacked_index_key)


class QoS(redis.QoS):
    """The messages that a channel has fetched and not acknowledged, limited by number and by size.

    Redis has the same list: the script that fetches messages adds them to the unacknowledged messages.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pending = pending_acknowledgements(self.channel)
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
        self.pending.add(delivery_tag)
        self._forget_size(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)
        if not self.channel.is_polled_by_this_thread():
            self.flush_acknowledgements()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's own signature
        """Drop a message by acknowledging it, or put it back at the end of its queue."""
        if not requeue:
            self.ack(delivery_tag)
            return
        self.flush_acknowledgements()
        super().reject(delivery_tag, requeue=True)
        self._forget_size(delivery_tag)

    def flush_acknowledgements(self) -> None:
        """Send the pending acknowledgements. They are kept if this raises the connection's error."""
        # If the connection was given up, the next channel sends them.
        if self.pending and self.channel.is_attached():
            with self.channel.conn_or_acquire() as client:
                self.pending.flush(client)

    def restore_unacked(self, client: Any = None) -> None:
        """Put the unacknowledged messages back into their queues."""
        self.flush_acknowledgements()
        self._flush()
        super().restore_unacked(client)
        with self._lock:
            self._sizes.clear()
            self.bytes_held = 0

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Put the unacknowledged messages back into their queues when the channel is closed.

        If the broker cannot be reached, the messages are redelivered after their visibility timeout. No error is
        raised: the connection's other channels would stay open, and the worker could not connect again.
        """
        if not self.channel.is_attached():
            self._delivered.clear()
        try:
            super().restore_unacked_once(stderr)
        except self.channel.connection_errors:
            count = len(self._delivered)
            logger.warning("could not put back %d messages: they are redelivered after the visibility timeout", count)
            self._delivered.clear()

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        """Put back the messages of any worker whose visibility timeout is over, after flushing our acknowledgements."""
        self.flush_acknowledgements()
        super().restore_visible(*arguments, **options)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's own signature
        """Put a message back into its queue, or set an unreadable text aside, so that others are still put back."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE:
            self.channel.set_aside(tag)

    def _forget_size(self, tag: str) -> None:
        with self._lock:
            self.bytes_held -= self._sizes.pop(tag, 0)
