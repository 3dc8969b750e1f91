"""A channel of kombu's Redis transport whose messages are fetched by a script on the server, and never popped.

A message is at every instant in its queue or among the unacknowledged ones. Keys and formats are kombu's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from queue import Empty
from time import monotonic, time
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from kombu.utils.scheduling import priority_cycle
from redis.exceptions import NoScriptError, ResponseError

from worker.broker.acknowledgements import QoS
from worker.broker.fetch import (
    FETCH_BYTES_MAX,
    FETCH_COUNT_MAX,
    SET_ASIDE_KEY,
    UNREADABLE,
    FetchedMessage,
    FetchReply,
    FetchRequest,
)
from worker.broker.notifications import NotificationConnection
from worker.broker.poller import IDLE_SECONDS_MAX, NOTIFICATION

logger = get_logger(__name__)

# What a worker holds of large messages, so that a number for small ones does not let it hoard.
PREFETCH_BYTES = 16 * 2**20
# Where the server cannot tell of changes, it waits for a message in one list, and then the others are looked at.
WAIT_SECONDS = 0.1


class Step(StrEnum):
    """What a channel asks of the server next.

    An empty fetch leads to LOOK, which has the server tell of the next message, or, where it cannot, to WAIT. IDLE asks
    nothing. Each of these leads back to FETCH.
    """

    FETCH = "fetch"
    LOOK = "look"
    IDLE = "idle"
    WAIT = "wait"


class Channel(redis.Channel):
    """A channel whose messages are fetched by a script on the server."""

    QoS = QoS
    prefetch_bytes = PREFETCH_BYTES
    from_transport_options = (*redis.Channel.from_transport_options, "prefetch_bytes")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """This method will begin with a look into the queues."""
        self.step = Step.FETCH
        # Whether the last fetch left nothing in the queues: who gathers messages need not wait for more.
        self.is_drained = False
        self._fetching: FetchRequest | None = None
        self._notifications: NotificationConnection | None = None
        self._was_notified = False
        self._idle_since = 0.0
        self._script_is_known = False
        self._unacknowledged_queues: set[str] = set()
        self._pooled: Any = None
        super().__init__(*arguments, **options)
        if self.ack_emulation:
            self._notifications = NotificationConnection(self.async_pool)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """This method will lend a client. Making one for each use, as kombu does, takes longer than most uses."""
        # Each command takes a connection of the pool, which is another one after a loss.
        if client is None and (self._pooled is None or self._pooled.connection_pool is not self.pool):
            self._pooled = self._create_client()
        yield client or self._pooled

    def is_attached(self) -> bool:
        """This method will tell whether the channel belongs to a connection that was not given up."""
        return self.connection is not None and self.connection.client is not None

    def is_polled_by_this_thread(self) -> bool:
        """This method will tell whether this thread is the one that runs the loop, and so will soon flush."""
        return self.connection is not None and self.connection.cycle.thread == threading.get_ident()

    def flush_acknowledgements(self) -> None:
        """This method will send the acknowledgements that are due."""
        if self.ack_emulation and self._qos is not None:
            self._qos.flush_acknowledgements()

    def basic_consume(self, queue: str, no_ack: bool, *arguments: Any, **options: Any) -> Any:  # noqa: FBT001 - kombu's own
        """This method will begin to consume. Whoever wants no acknowledgement gives none: it is given here."""
        (self._unacknowledged_queues.add if no_ack else self._unacknowledged_queues.discard)(queue)
        return super().basic_consume(queue, no_ack, *arguments, **options)

    def basic_get(self, queue: str, no_ack: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002 - kombu's own
        """This method will fetch one message at once, or return None."""
        message = super().basic_get(queue, no_ack=no_ack, **options)
        if message is not None and no_ack and self.ack_emulation:
            self.qos.ack(message.delivery_tag)
        return message

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's own
        if not self.ack_emulation:
            return super()._get(queue)
        fetch = self._fetch_from([queue], count_max=1)
        with self.conn_or_acquire() as client:
            command = fetch.command(name=self._prefixed, noted_in=self._noted_in, now=time(), known=False)
            fetched_now = fetch.read(client.execute_command(*command))
            self._maybe_update_queues_expire(client, queue)
        self._note(fetched_now)
        for fetched in fetched_now.messages:
            if (message := self._read(fetched)) is not None:
                return message
        raise Empty

    def _brpop_start(self, timeout: float | None = None) -> None:
        if not self.ack_emulation:
            super()._brpop_start(timeout)
        elif queues := self._queue_cycle.consume(len(self.active_queues)):
            if self.step == Step.IDLE and (self._was_notified or monotonic() - self._idle_since >= IDLE_SECONDS_MAX):
                self.step = Step.FETCH
            if self.step == Step.LOOK and not self._begin_notifications():
                self.step = Step.WAIT
            if self.step != Step.IDLE:
                self._ask(queues)

    def _ask(self, queues: list[str]) -> None:
        command = {Step.FETCH: self._fetch, Step.LOOK: self._look, Step.WAIT: self._wait}[self.step](queues)
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command(*command)

    def _begin_notifications(self) -> bool:
        if self._notifications is None:
            return False
        try:
            self.connection.cycle.register_notifications(self, self._notifications)
            self._notifications.subscribe(self.client.connection)
        except ResponseError:
            logger.warning("the broker cannot tell of new messages; it is asked every %s seconds", WAIT_SECONDS)
            self._notifications.connection.disconnect()
            self._notifications = None
        return self._notifications is not None

    def on_notification(self) -> None:
        """This method will note that one of the queues has changed."""
        if self._notifications is not None:
            self._notifications.read()
        self._was_notified = True
        # Nothing was delivered by that.
        raise Empty

    def _fetch(self, queues: list[str]) -> list[Any]:
        room = self.qos.can_consume_max_estimate()
        # Celery can forbid prefetching by replacing this very function: it then has to be asked for each message.
        count = 1 if "can_consume" in vars(self.qos) else min(FETCH_COUNT_MAX, room or FETCH_COUNT_MAX)
        self._fetching = self._fetch_from(queues, count_max=count)
        known = self._script_is_known
        return self._fetching.command(name=self._prefixed, noted_in=self._noted_in, now=time(), known=known)

    def _fetch_from(self, queues: list[str], *, count_max: int) -> FetchRequest:
        # In the other orders a queue gives all that it has before the next one is looked at.
        width = 1 if isinstance(self._queue_cycle, priority_cycle) else len(queues)
        return FetchRequest(
            queues=queues,
            lists=self._lists(queues),
            width=width,
            count_max=count_max,
            bytes_max=max(1, min(FETCH_BYTES_MAX, self.prefetch_bytes - self.qos.bytes_held)),
        )

    def _look(self, queues: list[str]) -> list[Any]:
        """This method will return a command that counts the lists which have something, and is told of changes."""
        self._was_notified = False
        return ["EXISTS", *map(self._prefixed, self._lists(queues))]

    def _wait(self, queues: list[str]) -> list[Any]:
        """This method will return a command that takes nothing, and is answered when the first list has something."""
        key = self._prefixed(self._lists(queues)[0])
        return ["BLMOVE", key, key, "RIGHT", "RIGHT", WAIT_SECONDS]

    def _brpop_read(self, **options: Any) -> bool:
        if not self.ack_emulation:
            return bool(super()._brpop_read(**options))
        try:
            reply = self._reply()
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        asked, self.step = self.step, self._step_after(reply)
        if asked != Step.FETCH or self.step != Step.FETCH or self._fetching is None:
            raise Empty
        fetched_now = self._fetching.read(reply)
        self.is_drained = fetched_now.was_all
        return self._deliver(fetched_now)

    def _step_after(self, reply: Any) -> Step:
        match self.step:
            case Step.FETCH:
                return Step.FETCH if reply[0] or reply[1] else Step.LOOK
            case Step.LOOK if not reply:
                self._idle_since = monotonic()
                return Step.IDLE
            case _:
                return Step.FETCH

    def _reply(self) -> Any:
        connection = self.client.connection
        try:
            reply = self.client.parse_response(connection, "EVALSHA")
        except NoScriptError:
            # Somebody has emptied the server's scripts.
            self._script_is_known = False
            raise Empty from None
        except self.connection_errors:
            # The next turn of the loop connects again.
            connection.disconnect()
            self.step = Step.FETCH
            raise
        self._script_is_known = self._script_is_known or self.step == Step.FETCH
        return reply

    def _poll_error(self, type: str, **options: Any) -> None:  # noqa: A002 - kombu's own
        if type == NOTIFICATION:
            self.on_notification()
        super()._poll_error(type, **options)

    def _deliver(self, fetched_now: FetchReply) -> bool:
        self._note(fetched_now)
        # A channel that is being closed puts them back.
        if self._closing:
            return False
        for fetched in fetched_now.messages:
            message = self._read(fetched)
            if message is not None:
                self.connection._deliver(message, fetched.queue)  # noqa: SLF001 - kombu's own way
                if fetched.queue in self._unacknowledged_queues:
                    self.qos.ack(fetched.tag)
            self._queue_cycle.rotate(fetched.queue)
        return True

    def _note(self, fetched_now: FetchReply) -> None:
        if fetched_now.unreadable:
            logger.error("put %d texts that are no message aside into %s", fetched_now.unreadable, SET_ASIDE_KEY)
        for fetched in fetched_now.messages:
            self.qos.note(fetched.tag, size=len(fetched.text))

    def _read(self, fetched: FetchedMessage) -> Any:
        try:
            message = loads(bytes_to_str(fetched.text))
            # What kombu would stop at, and the worker with it.
            self.decode_body(message.get("body"), message["properties"].get("body_encoding"))
            readable = isinstance(message.get("headers"), dict | None)
        except UNREADABLE:
            # The server's parser is more lenient than Python's.
            readable = False
        if readable:
            return message
        self.set_aside(fetched.tag)
        return None

    def set_aside(self, tag: Any) -> None:
        """This method will put a text that nobody can read where an operator finds it, and where it stops nobody."""
        tag = bytes_to_str(tag)
        with self.conn_or_acquire() as client, client.pipeline() as pipeline:
            text = client.hget(self.unacked_key, tag)
            if text is not None:
                pipeline.lpush(SET_ASIDE_KEY, text)
            pipeline.hdel(self.unacked_key, tag).zrem(self.unacked_index_key, tag).execute()
        logger.error("put a text that is no message aside into %s", SET_ASIDE_KEY)
        self.qos.ack(tag)

    @property
    def _noted_in(self) -> tuple[str, str]:
        return self.unacked_key, self.unacked_index_key

    def _lists(self, queues: list[str]) -> list[str]:
        return [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]

    def _prefixed(self, key: str) -> str:
        return f"{self.global_keyprefix}{key}"

    def close(self) -> None:
        """This method will close the channel: what is due is acknowledged, and what was not run goes back."""
        self._closing = True
        with suppress(*self.connection_errors):
            self.flush_acknowledgements()
        # An error here would leave the channel half open.
        with suppress(Empty, *self.connection_errors):
            if self._in_poll:
                self._brpop_read()
        super().close()
