"""A channel of kombu's Redis transport that fetches messages by the script and delivers them.

At every instant a message is either in its queue or among the unacknowledged messages. Keys and formats are kombu's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from kombu.utils.scheduling import priority_cycle

from worker.broker.fetch_script import (
    FETCH_BYTES_MAX,
    SET_ASIDE_KEY,
    SET_ASIDE_MAX,
    UNREADABLE,
    FetchedMessage,
    FetchReply,
    FetchRequest,
)
from worker.broker.prefetched_messages import QoS
from worker.fault_points import FaultPoint, reach
from worker.settings import settings

logger = get_logger(__name__)

# A worker prefetches no more than this. A prefetch count for small messages would let a worker hoard large messages.
PREFETCH_BYTES = 16 * 2**20
# A message that is due within this time is not postponed.
DUE_SECONDS = 1
# Our own headers have under 1 kB. A sender's trace may add several.
HEADERS_BYTES_MAX = 2**20
# A command of the remote control has under 1 kB.
COMMAND_BYTES_MAX = 2**20


def text_bytes_max() -> int:
    """Return the most bytes of a message with its envelope: the body in base64, and room for headers."""
    # Base64 has four characters for three bytes, of which the last may be incomplete.
    return -(-settings().message_bytes_max // 3) * 4 + HEADERS_BYTES_MAX


def _log_dropped(count: int) -> None:
    if count > 0:
        logger.error("dropped the %d oldest texts of %s, which keeps %d", count, SET_ASIDE_KEY, SET_ASIDE_MAX)


class FetchingChannel(redis.Channel):
    """A channel that fetches, delivers and acknowledges messages. Its subclass waits for new messages."""

    QoS = QoS
    prefetch_bytes = PREFETCH_BYTES
    from_transport_options = (*redis.Channel.from_transport_options, "prefetch_bytes")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._no_ack_queues: set[str] = set()
        self._lent_client: Any = None
        super().__init__(*arguments, **options)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Lend the same client each time: kombu creates a client for each use, which takes longer than most uses."""
        # Each command takes a connection from the client's pool. After a connection loss, the channel has a new pool.
        if client is None and (self._lent_client is None or self._lent_client.connection_pool is not self.pool):
            self._lent_client = self._create_client()
        yield client or self._lent_client

    def is_attached(self) -> bool:
        """Return whether the channel's connection is still in use, so that acknowledgements can be sent."""
        return self.connection is not None and self.connection.client is not None

    def is_polled_by_this_thread(self) -> bool:
        """Return whether this thread runs the event loop, which flushes acknowledgements before waiting."""
        return self.connection is not None and self.connection.cycle.thread == threading.get_ident()

    def flush_acknowledgements(self, *, is_last: bool = False) -> None:
        """Send the pending changes of the unacknowledged messages.

        If the server has just refused to write, this waits for a later call, unless `is_last`.
        """
        if self.ack_emulation and self._qos is not None:
            self._qos.flush_acknowledgements(is_last=is_last)

    def leave_to_next_channel(self, tags: frozenset[str]) -> None:
        """Forget messages that children run, so that closing this channel does not put them back."""
        if self._qos is not None:
            self._qos.forget(tags)

    def renew_leases(self, tags: frozenset[str]) -> None:
        """Renew the leases of the messages with those delivery tags."""
        if self.ack_emulation and tags:
            self.qos.renew(tags)

    def seconds_until(self, instant: float) -> float:
        """Return the time until an instant of the server's clock, which is negative if the instant has passed."""
        seconds: float = instant - self.qos.unacknowledged.server_time()
        return seconds

    def is_due(self, instant: float) -> bool:
        """Return whether an instant has come by the server's clock, or comes within a second."""
        return self.seconds_until(instant) <= DUE_SECONDS

    def postpone(self, tag: str, *, until: float) -> None:
        """Have a message wait on the server until an instant of its clock, in seconds since 1970."""
        self.qos.postpone(tag, until=until)

    def postpone_for(self, tag: str, seconds: float) -> None:
        """Have a message wait on the server for a time."""
        self.postpone(tag, until=self.qos.unacknowledged.server_time() + seconds)

    def lists_of(self, message: Any, *, exchange: str, routing_key: str) -> list[str]:
        """Return the lists of the queues to which a message belongs."""
        priority = self._get_message_priority(message, reverse=False)
        return [self._q_for_pri(queue, priority) for queue in self._lookup(exchange, routing_key)]

    def look_for_overdue_soon(self) -> None:
        """Look again for messages whose leases are over, after the loop has done other work for a while."""
        self.connection.cycle.look_for_overdue_soon()

    def basic_consume(self, queue: str, no_ack: bool, *arguments: Any, **options: Any) -> Any:  # noqa: FBT001 - kombu's own
        """Begin to consume a queue. With `no_ack`, the channel itself acknowledges each message on delivery."""
        (self._no_ack_queues.add if no_ack else self._no_ack_queues.discard)(queue)
        return super().basic_consume(queue, no_ack, *arguments, **options)

    def basic_get(self, queue: str, no_ack: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002 - kombu's own
        """Fetch one message without waiting, or return None."""
        message = super().basic_get(queue, no_ack=no_ack, **options)
        if message is not None and no_ack and self.ack_emulation:
            self.qos.ack(message.delivery_tag)
        return message

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's own
        if not self.ack_emulation:
            return super()._get(queue)
        request = self._request_from([queue], count_max=1)
        with self.conn_or_acquire() as client:
            reply = request.parse_reply(client.execute_command(*self._script_command(request, is_loaded=False)))
            self._maybe_update_queues_expire(client, queue)
        self._track(reply)
        for fetched in reply.messages:
            if (message := self._decode(fetched)) is not None:
                return message
        raise Empty

    def _request_from(self, queues: list[str], *, count_max: int) -> FetchRequest:
        # In round-robin order the queues take turns. In kombu's other orders a queue is emptied before the next.
        width = 1 if isinstance(self._queue_cycle, priority_cycle) else len(queues)
        return FetchRequest(
            queues=queues,
            lists=self._lists(queues),
            width=width,
            count_max=count_max,
            text_max=text_bytes_max(),
            headers_max=HEADERS_BYTES_MAX,
            bytes_max=max(1, min(FETCH_BYTES_MAX, self.prefetch_bytes - self.qos.bytes_held)),
        )

    def _script_command(self, request: FetchRequest, *, is_loaded: bool) -> list[Any]:
        keys = (self.unacked_key, self.unacked_index_key)
        return request.command(prefixed=self.prefixed, unacked_keys=keys, is_loaded=is_loaded)

    def _deliver_all(self, reply: FetchReply) -> bool:
        self._track(reply)
        # A channel that is being closed restores the messages to their queues.
        if self._closing:
            return False
        if reply.messages:
            reach(FaultPoint.AFTER_FETCH)
        for fetched in reply.messages:
            message = self._decode(fetched)
            if message is not None:
                self.connection._deliver(message, fetched.queue)  # noqa: SLF001 - as kombu's own channel does
                if fetched.queue in self._no_ack_queues:
                    self.qos.ack(fetched.tag)
            self._queue_cycle.rotate(fetched.queue)
        return True

    def _track(self, reply: FetchReply) -> None:
        self.qos.unacknowledged.note_server_time(reply.server_time)
        if reply.unreadable_count:
            logger.error("moved %d texts that are not messages to %s", reply.unreadable_count, SET_ASIDE_KEY)
            _log_dropped(reply.dropped_count)
        for fetched in reply.messages:
            self.qos.track(fetched.tag, size=len(fetched.text))

    def _decode(self, fetched: FetchedMessage) -> Any:
        try:
            message = loads(bytes_to_str(fetched.text))
            # kombu would raise errors for such a body or such headers later, and stop the worker.
            self.decode_body(message.get("body"), message["properties"].get("body_encoding"))
            is_readable = isinstance(message.get("headers"), dict | None)
        except UNREADABLE:
            # The server's JSON parser is more lenient than Python's.
            is_readable = False
        if is_readable:
            # Clients in other languages write any exchange and any routing key.
            message["properties"]["delivery_info"] |= {"exchange": "", "routing_key": fetched.queue}
            return message
        self.set_aside(fetched.tag)
        return None

    def _handle_message(self, client: Any, r: Any) -> Any:
        # kombu reads the texts of a broadcast after this. One that it cannot read would end the worker.
        payload = super()._handle_message(client, r)
        if bytes_to_str(payload["type"]).endswith("message") and not self._is_command(payload["data"]):
            logger.error("dropped a broadcast that is not a message")
            payload["data"] = None
        return payload

    def _is_command(self, text: Any) -> bool:
        if len(text) > COMMAND_BYTES_MAX:
            return False
        try:
            message = loads(bytes_to_str(text))
            properties = message["properties"]
            self.decode_body(message.get("body"), properties.get("body_encoding"))
            return (
                isinstance(properties["delivery_tag"], str)
                and isinstance(properties["delivery_info"], dict)
                and isinstance(message.get("headers"), dict | None)
            )
        except (LookupError, *UNREADABLE):
            return False

    def set_aside(self, tag: Any) -> None:
        """Acknowledge an unreadable text by moving it to a list for the operator."""
        tag = bytes_to_str(tag)
        with self.conn_or_acquire() as client, client.pipeline() as pipeline:
            text = client.hget(self.unacked_key, tag)
            pipeline.hdel(self.unacked_key, tag).zrem(self.unacked_index_key, tag)
            if text is not None:
                pipeline.lpush(SET_ASIDE_KEY, text).ltrim(SET_ASIDE_KEY, 0, SET_ASIDE_MAX - 1)
            lengths = pipeline.execute()[2:3]
        logger.error("moved a text that is not a message to %s", SET_ASIDE_KEY)
        _log_dropped(sum(lengths) - SET_ASIDE_MAX)
        self.qos.ack(tag)

    def _lists(self, queues: list[str]) -> list[str]:
        return [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]

    def prefixed(self, key: str) -> str:
        """Return the key with the prefix of all keys."""
        return f"{self.global_keyprefix}{key}"
