"""The consumer of a worker, which accepts tasks and drops any other message without logging the contents."""

from collections.abc import Callable, Mapping
from typing import Any

from celery.bootsteps import RUN
from celery.exceptions import InvalidTaskError, NotRegistered
from celery.signals import task_unknown
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Message

from worker.intake.dropped_messages import DroppedMessages
from worker.intake.envelope import UNDECODABLE, headers_of, is_plain, problem_of
from worker.intake.gathering import Gatherer

logger = get_logger(__name__)

# Events are sent every 0.1 s in a single message. Sending them on every iteration of the loop took over 25 % of an idle
# worker's CPU.
EVENTS_SECONDS = 0.1
# An event has 400 bytes.
EVENTS_AT_ONCE_MAX = 240


class Consumer(CeleryConsumer):
    """Celery's consumer, except that messages are checked, batches are gathered, and events are sent together."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # The gatherers of the current connection.
        self.gatherers = list[Gatherer]()
        self.are_events_due = False
        super().__init__(*arguments, **options)
        self.dropped_messages = DroppedMessages(self.app)

    def on_send_event_buffered(self) -> None:
        """Schedule the sending of the buffered events, or send them at once if the worker is stopping."""
        if self.hub is None or self.blueprint.state != RUN:
            self._flush_events()
        elif not self.are_events_due:
            self.are_events_due = True
            self.event_dispatcher.buffer_limit = EVENTS_AT_ONCE_MAX
            # Only `call_soon` wakes the loop if a thread of the pool calls this.
            self.hub.call_soon(self.hub.call_later, EVENTS_SECONDS, self.send_events)

    def send_events(self) -> None:
        """Send the buffered events."""
        self.are_events_due = False
        self._flush_events()

    def stop(self) -> None:
        """Send the last events, and stop."""
        self.send_events()
        super().stop()

    def on_close(self) -> None:
        """Discard the messages of a lost connection without acknowledging them: the broker redelivers them."""
        # Events that cannot be sent are kept for the next connection. Events that are only buffered would be lost.
        self.send_events()
        for gatherer in self.gatherers:
            gatherer.close()
        self.gatherers.clear()
        super().on_close()

    def create_task_handler(self, *arguments: Any) -> Callable[[Message], None]:
        """Return the function that Celery calls with each message."""
        receive: Callable[[Message], None] = super().create_task_handler(*arguments)

        def receive_task(message: Message) -> None:
            problem = problem_of(message)
            if problem:
                self.drop(message, problem)
            else:
                receive(message)

        return receive_task

    def drop(self, message: Message, problem: str) -> None:
        """Drop a message that is not a task, and tell its caller."""
        self.drop_with_error(message, problem, headers=message.headers, error=InvalidTaskError(problem))

    def on_decode_error(self, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """Drop a message that cannot be decompressed. Celery would log the body."""
        self.drop(message, UNDECODABLE)

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """Drop a task whose headers Celery does not understand."""
        self.drop(message, "its headers make no sense")

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """Drop a message of an unknown task. Celery would log the arguments, and wait for the result store."""
        headers = headers_of(message)
        task_id, name = headers["id"], headers["task"]
        error = NotRegistered(name)
        self.drop_with_error(message, f"there is no task {name!r}", headers=headers, error=error)
        if self.event_dispatcher and is_plain(task_id):
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=repr(error))
        task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)

    def drop_with_error(self, message: Message, problem: str, *, headers: Mapping[str, Any], error: Exception) -> None:
        """Drop a message: log the problem, store the error for the caller, and acknowledge the message."""
        logger.error("dropped a message: %s", problem)
        self.dropped_messages.store_failure(headers, error)
        # Acknowledgement point: a rejected message that is not put back is acknowledged.
        message.reject_log_error(logger, self.connection_errors)
