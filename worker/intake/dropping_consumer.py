"""A consumer that drops messages which are no tasks, or are not signed as they must be, without logging them."""

from collections.abc import Mapping
from typing import Any

from celery.exceptions import InvalidTaskError, NotRegistered
from celery.signals import task_unknown
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Message

from worker.broker.decompression import TooLarge
from worker.intake.dropped_messages import DroppedMessages
from worker.intake.envelope import UNDECODABLE, headers_of, is_plain
from worker.metrics.counters import counters
from worker.metrics.definitions import MESSAGES_DROPPED, MESSAGES_REFUSED, NOT_A_TASK, UNKNOWN_TASK
from worker.printable import shown
from worker.signing.verification import VerificationFailure, not_allowed

logger = get_logger(__name__)


class DroppingConsumer(CeleryConsumer):
    """Celery's consumer, except that a dropped message is counted, its contents are not logged, and its caller is told.

    Its caller is told only if the result store is Redis.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.dropped_messages = DroppedMessages(self.app)

    def drop(self, message: Message, problem: str) -> None:
        """Drop a message that is not a task, and tell its caller."""
        self.drop_with_error(message, problem, headers=message.headers, error=InvalidTaskError(problem))

    def refuse(self, message: Message, failure: VerificationFailure) -> None:
        """Drop a message that is not signed by a key which may send it, and tell its caller."""
        headers = headers_of(message)
        error = not_allowed(headers["task"], failure)
        logger.error("refused a message: %s", error)
        counters.add(MESSAGES_REFUSED, 1, failure.value)
        self.end_with_error(message, headers=headers, error=error)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Drop a message that cannot be decompressed. Celery would log the body."""
        self.drop(message, str(exc) if isinstance(exc, TooLarge) else UNDECODABLE)

    def on_invalid_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """Drop a task whose headers Celery does not understand."""
        self.drop(message, "its headers make no sense")

    def on_unknown_task(self, body: object, message: Message, exc: Exception) -> None:  # noqa: ARG002 - Celery's own
        """Drop a message of an unknown task. Celery would log the arguments, and wait for the result store."""
        headers = headers_of(message)
        task_id, name = headers["id"], headers["task"]
        error = NotRegistered(shown(name))
        self.drop_with_error(message, f"there is no task {shown(name)!r}", headers=headers, error=error)
        if self.event_dispatcher and is_plain(task_id):
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=repr(error))
        task_unknown.send(sender=self, message=message, exc=exc, name=shown(name), id=task_id)

    def drop_with_error(self, message: Message, problem: str, *, headers: Mapping[str, Any], error: Exception) -> None:
        """Drop a message: log the problem, store the error for the caller, and acknowledge the message."""
        logger.error("dropped a message: %s", problem)
        counters.add(MESSAGES_DROPPED, 1, UNKNOWN_TASK if isinstance(error, NotRegistered) else NOT_A_TASK)
        self.end_with_error(message, headers=headers, error=error)

    def end_with_error(self, message: Message, *, headers: Mapping[str, Any], error: Exception) -> None:
        """Store the error for the caller of a message that no child runs, and acknowledge the message."""
        self.dropped_messages.store_failure(headers, error)
        # Acknowledgement point: a rejected message that is not put back is acknowledged.
        message.reject_log_error(logger, self.connection_errors)
