"""Acknowledging messages on Redis, many at once, and never forgetting to."""

import os
import threading
from collections import deque
from functools import cache
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import redis, virtual

from worker.broker.fetch import UNREADABLE

logger = get_logger(__name__)

# Redis answers nobody else meanwhile; so many fetch it a millisecond.
FLUSH_COUNT_MAX = 1_000


class PendingAcknowledgements:
    """The delivery tags whose messages have been dealt with and are to be removed from the unacknowledged ones.

    They outlive their channel: what a broken connection left is paid through the next one.
    """

    def __init__(self, *, unacked: str, index: str) -> None:
        """This method will begin without pending, for messages that are noted under these two keys."""
        self._unacked, self._index = unacked, index
        self._tags: deque[str] = deque()

    def __bool__(self) -> bool:
        return bool(self._tags)

    def add(self, tag: str) -> None:
        """This method will note one. Any thread may call it."""
        self._tags.append(tag)

    def flush(self, client: Any) -> None:
        """This method will flush all of them, or keep what it could not flush and raise the connection's error."""
        while tags := self._next():
            try:
                with client.pipeline() as pipeline:
                    pipeline.zrem(self._index, *tags).hdel(self._unacked, *tags).execute()
            except BaseException:
                # Perhaps it was paid: to flush twice does no harm.
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
    """This function will return the pending of this process to the channel's broker. A forked child has none."""
    at = channel.connection.client
    broker = (at.hostname, at.port, at.virtual_host, channel.global_keyprefix)
    return _pending(os.getpid(), broker, channel.unacked_key, channel.unacked_index_key)


class QoS(redis.QoS):
    """What a channel has fetched and not acknowledged. The script that took it has noted it in Redis already."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """This method will begin with nothing fetched."""
        super().__init__(*arguments, **options)
        self.pending = pending_acknowledgements(self.channel)
        self.bytes_held = 0
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, tag: str, *, size: int) -> None:
        """This method will count a message that was fetched and not delivered yet: it may still have to go back."""
        with self._lock:
            self.bytes_held += size - self._sizes.pop(tag, 0)
            self._sizes[tag] = size
        virtual.QoS.append(self, None, tag)

    def append(self, message: Any, delivery_tag: str) -> None:
        """This method will hold a message that is being delivered. Only a fanout's is not noted in Redis."""
        if delivery_tag in self._sizes:
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def can_consume(self) -> bool:
        """This method will tell whether there is room, by number and by size: large messages fill it sooner."""
        return bool(super().can_consume()) and self.bytes_held < self.channel.prefetch_bytes

    def ack(self, delivery_tag: str) -> None:
        """This method will acknowledge a message: before the loop waits, or at once where it may be waiting already."""
        self.pending.add(delivery_tag)
        self._forget_size(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)
        if not self.channel.is_polled_by_this_thread():
            self.flush_acknowledgements()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's own signature
        """This method will drop a message, or put it back behind all that wait."""
        if not requeue:
            self.ack(delivery_tag)
            return
        self.flush_acknowledgements()
        super().reject(delivery_tag, requeue=True)
        self._forget_size(delivery_tag)

    def flush_acknowledgements(self) -> None:
        """This method will send the acknowledgements that are due, or keep them and raise the connection's error."""
        # A channel that was given up leaves them to the next one.
        if self.pending and self.channel.is_attached():
            with self.channel.conn_or_acquire() as client:
                self.pending.flush(client)

    def restore_unacked(self, client: Any = None) -> None:
        """This method will put back what was not acknowledged."""
        self.flush_acknowledgements()
        self._flush()
        super().restore_unacked(client)
        with self._lock:
            self._sizes.clear()
            self.bytes_held = 0

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """This method will put back what was not acknowledged when the channel is closed.

        Where the broker cannot be reached the messages are not lost: they come back when their time is over. Closing
        goes on, or the other channels of the connection would stay open and the worker could not connect again.
        """
        if not self.channel.is_attached():
            self._delivered.clear()
        try:
            super().restore_unacked_once(stderr)
        except self.channel.connection_errors:
            logger.warning("could not hand back %d messages: they come back by themselves", len(self._delivered))
            self._delivered.clear()

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        """This method will put back what somebody took and has not acknowledged in time. Ours go first."""
        self.flush_acknowledgements()
        super().restore_visible(*arguments, **options)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's own signature
        """This method will put a message back. What cannot be read must not keep others from being put back."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE:
            self.channel.set_aside(tag)

    def _forget_size(self, tag: str) -> None:
        with self._lock:
            self.bytes_held -= self._sizes.pop(tag, 0)
