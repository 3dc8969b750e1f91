"""What a worker takes from its queues: tasks. Anything else is dropped, and nothing of what was in it is logged."""

from collections.abc import Callable, Mapping
from typing import Any

from celery.bootsteps import RUN
from celery.exceptions import InvalidTaskError, NotRegistered
from celery.signals import task_unknown
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Message

from worker.intake.dropped_messages import DroppedMessages
from worker.intake.gathering import Gatherer
from worker.intake.protocol import UNDECODABLE, headers_of, is_plain, problem_of

logger = get_logger(__name__)

# Events of that time travel as one message: one for each turn of the loop was more than a quarter of the worker's time
# where it is not busy. Whoever watches looks less often.
EVENTS_SECONDS = 0.1
# Of 400 bytes each.
EVENTS_AT_ONCE_MAX = 240


class Consumer(CeleryConsumer):
    """This class will hand tasks to the worker, and drop what is none."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Of the connection that there is.
        self.gatherers = list[Gatherer]()
        self.are_events_due = False
        super().__init__(*arguments, **options)
        self.dropped_messages = DroppedMessages(self.app)

    def on_send_event_buffered(self) -> None:
        """This function will have events travel together a moment later, or at once where there is no later."""
        if self.hub is None or self.blueprint.state != RUN:
            self._flush_events()
        elif not self.are_events_due:
            self.are_events_due = True
            self.event_dispatcher.buffer_limit = EVENTS_AT_ONCE_MAX
            # A thread of the pool that set the timer itself would not wake the loop.
            self.hub.call_soon(self.hub.call_later, EVENTS_SECONDS, self.send_events)

    def send_events(self) -> None:
        """This function will send the events that have come together."""
        self.are_events_due = False
        self._flush_events()

    def stop(self) -> None:
        """This function will send the last events before nobody waits for them any more."""
        self.send_events()
        super().stop()

    def on_close(self) -> None:
        """This function will forget what was received on a connection that is lost."""
        # What cannot be published any more is kept for the next connection; what is not yet published would be gone.
        self.send_events()
        for gatherer in self.gatherers:
            gatherer.forget()
        self.gatherers.clear()
        super().on_close()

    def create_task_handler(self, *arguments: Any) -> Callable[[Message], None]:
        """This function will return what Celery calls with each message."""
        receive: Callable[[Message], None] = super().create_task_handler(*arguments)

        def receive_task(message: Message) -> None:
            problem = problem_of(message)
            if problem:
                self.drop(message, problem)
            else:
                receive(message)

        return receive_task

    def drop(self, message: Message, problem: str) -> None:
        """This function will take a message from its queue, and say so, also to whoever waits for its answer."""
        self._refuse(message, problem, headers=message.headers, error=InvalidTaskError(problem))

    def on_decode_error(self, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """This function will drop a message that is not compressed as it says; Celery would show its body."""
        self.drop(message, UNDECODABLE)

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """This function will drop a task whose headers Celery does not understand."""
        self.drop(message, "its headers make no sense")

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """This function will fail a task that nobody knows. Celery would show its arguments, and wait for the store."""
        headers = headers_of(message)
        task_id, name = headers["id"], headers["task"]
        error = NotRegistered(name)
        self._refuse(message, f"there is no task {name!r}", headers=headers, error=error)
        if self.event_dispatcher and is_plain(task_id):
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=repr(error))
        task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)

    def _refuse(self, message: Message, problem: str, *, headers: Mapping[str, Any], error: Exception) -> None:
        logger.error("dropped a message: %s", problem)
        self.dropped_messages.answer(headers, error)
        message.reject_log_error(logger, self.connection_errors)
