"""The unacknowledged messages on Redis: leases, and the changes of this process that are still to be sent.

A worker renews the leases of the messages that it works on. When a lease is over, any worker puts the message back into
its queue: the holder has died, or it has postponed the message until then. A message that the worker has forgotten is
therefore redelivered too.

docs/architecture.md lists the points at which a message is acknowledged.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

from celery.utils.log import get_logger
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError

from worker.broker.due_times import instant_of
from worker.broker.fetch_script import UNREADABLE
from worker.broker.lease_scripts import POSTPONE, PUT_BACK, RENEW, TAKE_OVER
from worker.fault_points import FaultPoint, reach

logger = get_logger(__name__)

# At most this many messages in a command, which blocks Redis for about 1 ms.
ACKNOWLEDGED_COUNT_MAX = 1_000
PUT_BACK_COUNT_MAX = 300
# Messages whose leases are over. More at once would hold up new messages.
OVERDUE_COUNT_MAX = 50
PUT_BACK_BYTES_MAX = 2**20
# If the server refuses to write, for example because its disk is full, it is asked again after this time.
REFUSED_SECONDS = 1
# The server rounds instants to less than this, and no lease of a worker ends so exactly when its message is due.
EQUAL_SECONDS = 1e-5
NO_ENDS: Mapping[str, float] = {}
# A refusal is logged no more often than this.
LOG_SECONDS = 10


class Unacknowledged:
    """What this process still has to tell a broker about messages that it has fetched.

    The changes outlive their channel: if the connection breaks, the next channel sends them. Any thread may add one.
    """

    def __init__(self, *, unacked: str, index: str) -> None:
        """Begin with no changes. `unacked` and `index` are kombu's keys for the messages and their leases."""
        self._keys = (unacked, index)
        self._lock = Lock()
        self._acknowledged: dict[str, None] = {}
        self._put_back: dict[str, None] = {}
        self._postponed: dict[str, float] = {}
        self._refused_until = self._logged_until = 0.0
        self._clock_ahead = 0.0

    def __bool__(self) -> bool:
        """Return whether a change is to be sent."""
        return bool(self._acknowledged or self._put_back or self._postponed)

    def is_refused(self) -> bool:
        """Return whether the server has just refused to write."""
        return time.monotonic() < self._refused_until

    def acknowledge(self, tag: str) -> None:
        """Remove a message that is decided."""
        with self._lock:
            self._acknowledged[tag] = None

    def put_back(self, tag: str) -> None:
        """Put a message back into its queue, where it is fetched first."""
        with self._lock:
            self._put_back[tag] = None

    def postpone(self, tag: str, *, until: float) -> None:
        """Have a message wait on the server until an instant of the server's clock, in seconds since 1970."""
        with self._lock:
            self._postponed[tag] = until

    def note_server_time(self, now: float) -> None:
        """Compare the server's clock with this machine's."""
        self._clock_ahead = now - time.time()

    def server_time(self) -> float:
        """Return the time by the server's clock, in seconds since 1970, as it was last compared."""
        return time.time() + self._clock_ahead

    def flush(self, channel: Any, client: Any) -> None:
        """Send all changes. They are kept if the server refuses to write, or if this raises the connection's error."""
        try:
            self._send(self._acknowledged, ACKNOWLEDGED_COUNT_MAX, lambda tags: self._remove(client, tags))
            self._send(self._postponed, PUT_BACK_COUNT_MAX, lambda tags: self._postpone(channel, client, tags))
            # The first message is put back last, so that it is fetched first.
            self._send(self._put_back, PUT_BACK_COUNT_MAX, lambda tags: self._restore(channel, client, tags), last=True)
        except ResponseError as error:
            self.note_refused(error)

    def note_refused(self, error: Exception) -> None:
        """Log that the server refuses to write, and let nothing be sent for a second.

        Raises the connection's error if the server has become a replica: a new connection may lead to another server.
        """
        if isinstance(error, ReadOnlyError):
            raise RedisConnectionError(str(error)) from error
        now = time.monotonic()
        if now >= self._logged_until:
            logger.error("the broker refuses to write, and is asked again each second: %s", error)
            self._logged_until = now + LOG_SECONDS
        self._refused_until = now + REFUSED_SECONDS

    def renew(self, channel: Any, client: Any, tags: Sequence[str]) -> None:
        """Begin the leases of the messages anew."""
        for chunk in _chunks(list(tags), ACKNOWLEDGED_COUNT_MAX):
            self._call(channel, client, RENEW, chunk)

    def put_back_overdue(self, channel: Any, client: Any) -> int:
        """Put back messages of any worker whose leases are over, some at a time. Return their number."""
        limits = (channel.visibility_timeout, OVERDUE_COUNT_MAX, PUT_BACK_BYTES_MAX)
        taken = self._call(channel, client, TAKE_OVER, limits)
        entries = {bytes_to_str(tag): entry for tag, entry in zip(taken[::3], taken[1::3], strict=True)}
        ends = {
            bytes_to_str(tag): float(began) + channel.visibility_timeout
            for tag, began in zip(taken[::3], taken[2::3], strict=True)
        }
        self._move(channel, client, entries, ends=ends)
        return len(entries)

    def _send(
        self, changes: dict[str, Any], count_max: int, send: Callable[[Sequence[str]], None], *, last: bool = False
    ) -> None:
        chunks = list(_chunks(list(changes), count_max))
        for tags in reversed(chunks) if last else chunks:
            send(tags)
            with self._lock:
                for tag in tags:
                    changes.pop(tag, None)

    def _remove(self, client: Any, tags: Sequence[str]) -> None:
        reach(FaultPoint.BEFORE_ACKNOWLEDGEMENT)
        unacked, index = self._keys
        # The server may have received them when the connection broke. Sending them again does no harm.
        with client.pipeline() as pipeline:
            pipeline.zrem(index, *tags).hdel(unacked, *tags).execute()

    def _postpone(self, channel: Any, client: Any, tags: Sequence[str]) -> None:
        reach(FaultPoint.WHILE_PUTTING_BACK)
        # Another thread may have sent some of them meanwhile.
        left = {tag: until for tag in tags if (until := self._postponed.get(tag)) is not None}
        instants = [word for tag, until in left.items() for word in (repr(until), tag)]
        self._call(channel, client, POSTPONE, (channel.visibility_timeout, *instants))

    def _restore(self, channel: Any, client: Any, tags: Sequence[str]) -> None:
        entries = client.execute_command("HMGET", channel.prefixed(self._keys[0]), *tags)
        self._move(channel, client, {tag: entry for tag, entry in zip(tags, entries, strict=True) if entry is not None})

    def _move(
        self, channel: Any, client: Any, entries: Mapping[str, bytes], *, ends: Mapping[str, float] = NO_ENDS
    ) -> None:
        lists: dict[str, int] = {}
        words: list[Any] = []
        # The first message is put back last: the end of the list is fetched first.
        for tag, entry in reversed(list(entries.items())):
            try:
                text, names = _to_put_back(channel, entry, lease_end=ends.get(tag))
            except (KeyError, *UNREADABLE):
                names = []
            if not names:
                # A text that cannot be read, or a message of another worker whose queue nobody knows.
                channel.set_aside(tag)
                continue
            positions = [lists.setdefault(name, len(lists) + 1) + len(self._keys) for name in names]
            words += [tag, text, len(positions), *positions]
        if words:
            reach(FaultPoint.WHILE_PUTTING_BACK)
            self._call(channel, client, PUT_BACK, words, lists=list(lists))

    def _call(self, channel: Any, client: Any, script: str, words: Iterable[Any], *, lists: Sequence[str] = ()) -> Any:
        keys = [channel.prefixed(key) for key in (*self._keys, *lists)]
        return client.execute_command("EVAL", script, len(keys), *keys, *words)


def _chunks(tags: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(tags), size):
        yield tags[start : start + size]


def _to_put_back(channel: Any, entry: bytes, *, lease_end: float | None) -> tuple[str, list[str]]:
    """Return the text of an unacknowledged message, marked as redelivered, and its lists.

    A message whose lease ended when it was due has only waited for that. No child has begun it, so it is not marked.
    """
    message, exchange, routing_key = loads(bytes_to_str(entry))
    headers = message.get("headers")
    due = instant_of(headers.get("eta")) if isinstance(headers, dict) else None
    if due is None or lease_end is None or abs(due - lease_end) > EQUAL_SECONDS:
        for fields in (headers, message["properties"]["delivery_info"]):
            if isinstance(fields, dict):
                fields["redelivered"] = True
    return dumps(message), channel.lists_of(message, exchange=exchange, routing_key=routing_key)


@cache
def _of(_process: int, _broker: tuple[Any, ...], unacked: str, index: str) -> Unacknowledged:
    return Unacknowledged(unacked=unacked, index=index)


def unacknowledged_of(channel: Any) -> Unacknowledged:
    """Return the object of this process for the channel's broker. A forked child begins with a new one."""
    address = channel.connection.client
    broker = (address.hostname, address.port, address.virtual_host, channel.global_keyprefix)
    return _of(os.getpid(), broker, channel.unacked_key, channel.unacked_index_key)
