"""The channel of our Redis transport, which fetches messages and waits for notifications of new messages.

The event loop drives the channel. Before the loop waits, the channel sends a command. When the reply arrives, the
channel reads the reply and chooses the next step.
"""

from contextlib import suppress
from enum import StrEnum
from queue import Empty
from time import monotonic
from typing import Any

from celery.utils.log import get_logger
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from worker.broker.fetch_script import FETCH_COUNT_MAX, FetchRequest
from worker.broker.fetching_channel import FetchingChannel
from worker.broker.notifications import NotificationConnection
from worker.broker.poller import IDLE_SECONDS_MAX, NOTIFICATION

logger = get_logger(__name__)

# If the server has no notifications, a blocking command waits this long for a single list before the next fetch.
BLOCK_SECONDS = 0.1


class Step(StrEnum):
    """The next command of a channel.

    FETCH is repeated while messages arrive. When the queues are empty, TRACK subscribes to their notifications and
    looks once more, in case a message arrived since. If there is none, the channel is IDLE and sends nothing until a
    notification comes or a second has passed. If the server has no notifications, the channel BLOCKs instead.
    TRACK with a message, IDLE and BLOCK are followed by FETCH.
    """

    FETCH = "fetch"
    TRACK = "track"
    IDLE = "idle"
    BLOCK = "block"


class Channel(FetchingChannel):
    """A channel that fetches messages by a script, and waits for notifications if the queues are empty.

    The methods named after BRPOP are kombu's: its event loop calls them to send a command and to read the reply.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.step = Step.FETCH
        # Whether the last fetch emptied the queues. If so, a batch need not wait for more messages.
        self.is_drained = False
        self._fetch_request: FetchRequest | None = None
        self._script_is_loaded = False
        self._notifications: NotificationConnection | None = None
        self._was_notified = False
        self._idle_since = 0.0
        super().__init__(*arguments, **options)
        if self.ack_emulation:
            self._notifications = NotificationConnection(self.async_pool)

    def _brpop_start(self, timeout: float | None = None) -> None:
        if not self.ack_emulation:
            super()._brpop_start(timeout)
        elif queues := self._queue_cycle.consume(len(self.active_queues)):
            if self.step == Step.IDLE and (self._was_notified or monotonic() - self._idle_since >= IDLE_SECONDS_MAX):
                self.step = Step.FETCH
            if self.step == Step.TRACK and not self._start_notifications():
                self.step = Step.BLOCK
            if self.step != Step.IDLE:
                self._send_command_of_step(queues)

    def _send_command_of_step(self, queues: list[str]) -> None:
        command_of = {Step.FETCH: self._fetch_command, Step.TRACK: self._track_command, Step.BLOCK: self._block_command}
        command = command_of[self.step](queues)
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command(*command)

    def _start_notifications(self) -> bool:
        if self._notifications is None:
            return False
        try:
            self.connection.cycle.register_notifications(self, self._notifications)
            self._notifications.subscribe(self.client.connection)
        except ResponseError:
            logger.warning("the broker has no notifications of new messages: polling every %s seconds", BLOCK_SECONDS)
            self._notifications.connection.disconnect()
            self._notifications = None
        return self._notifications is not None

    def _fetch_command(self, queues: list[str]) -> list[Any]:
        # None if the prefetch count has no limit.
        prefetch_left = self.qos.can_consume_max_estimate()
        # Celery disables prefetching by replacing `can_consume` of this object, which must then allow each message.
        is_replaced = "can_consume" in vars(self.qos)
        count_max = 1 if is_replaced else min(FETCH_COUNT_MAX, prefetch_left or FETCH_COUNT_MAX)
        self._fetch_request = self._request_from(queues, count_max=count_max)
        return self._script_command(self._fetch_request, is_loaded=self._script_is_loaded)

    def _track_command(self, queues: list[str]) -> list[Any]:
        # The reply is the number of lists that are not empty. The server notifies this connection of their next change.
        self._was_notified = False
        return ["EXISTS", *map(self.prefixed, self._lists(queues))]

    def _block_command(self, queues: list[str]) -> list[Any]:
        # BLMOVE waits for a message in the first list. Source and target are the same, so the list does not change.
        key = self.prefixed(self._lists(queues)[0])
        return ["BLMOVE", key, key, "RIGHT", "RIGHT", BLOCK_SECONDS]

    def _brpop_read(self, **options: Any) -> bool:
        if not self.ack_emulation:
            return bool(super()._brpop_read(**options))
        try:
            reply = self._read_reply()
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        replied_step, self.step = self.step, self._step_after(reply)
        if replied_step != Step.FETCH or self.step != Step.FETCH or self._fetch_request is None:
            raise Empty
        fetch_reply = self._fetch_request.parse_reply(reply)
        self.is_drained = fetch_reply.is_drained
        return self._deliver_all(fetch_reply)

    def _step_after(self, reply: Any) -> Step:
        match self.step:
            case Step.FETCH:
                unreadable_count, messages, *_ = reply
                return Step.FETCH if unreadable_count or messages else Step.TRACK
            case Step.TRACK if not reply:
                self._idle_since = monotonic()
                return Step.IDLE
            case _:
                return Step.FETCH

    def _read_reply(self) -> Any:
        connection = self.client.connection
        try:
            reply = self.client.parse_response(connection, "EVALSHA")
        except NoScriptError:
            # The server's scripts were flushed: send the whole script again.
            self._script_is_loaded = False
            raise Empty from None
        except ReadOnlyError as error:
            # The server has become a replica. Behind Sentinel, a new connection leads to the new master.
            self._disconnect(connection)
            raise RedisConnectionError(str(error)) from None
        except ResponseError as error:
            self.qos.unacknowledged.note_refused(error)
            self._idle()
            raise Empty from None
        except self.connection_errors:
            self._disconnect(connection)
            raise
        self._script_is_loaded = self._script_is_loaded or self.step == Step.FETCH
        return reply

    def _disconnect(self, connection: Any) -> None:
        # Before the loop waits again, kombu opens a new connection.
        connection.disconnect()
        self.step = Step.FETCH

    def _idle(self) -> None:
        self.step, self._was_notified, self._idle_since = Step.IDLE, False, monotonic()

    def on_notification(self) -> None:
        """Note that a queue has changed. Raises Empty, since a notification delivers no message."""
        if self._notifications is not None:
            self._notifications.read()
        self._was_notified = True
        raise Empty

    def _poll_error(self, type: str, **options: Any) -> None:  # noqa: A002 - kombu's own
        if type == NOTIFICATION:
            self.on_notification()
        super()._poll_error(type, **options)

    def close(self) -> None:
        """Close the channel: flush acknowledgements, and restore unacknowledged messages to their queues."""
        self._closing = True
        with suppress(*self.connection_errors):
            self.flush_acknowledgements(is_last=True)
        # An error here would leave the channel half open.
        with suppress(Empty, *self.connection_errors):
            if self._in_poll:
                self._brpop_read()
        super().close()
