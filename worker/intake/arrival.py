"""The queue by which a message came. A message in the queue of other tasks is not decided."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from kombu import Message

from worker.intake.envelope import headers_of
from worker.queues import UNNAMED_QUEUE, is_wrong
from worker.settings import settings
from worker.signing.task_names import TaskNames


def note_queue(message: Message, *, queues_by_tag: Mapping[str, str]) -> None:
    """Write the queue into the delivery information of a message from RabbitMQ, in the place of the sender's words.

    A message that has waited has a longer routing key, and a sender may use an exchange and keys of its own. On Redis
    and Valkey, the channel has written the queue.
    """
    information = message.delivery_info
    information |= {"exchange": "", "routing_key": queues_by_tag[information["consumer_tag"]]}


def wrong_queue_of(delivery_info: Mapping[str, Any], *, task: str) -> str | None:
    """Return the queue by which a message of the task came if it may not come by that one, or None."""
    queue = delivery_info.get("routing_key")
    if not isinstance(queue, str):
        return None
    is_refused = queue == UNNAMED_QUEUE and task in _tasks(settings().unnamed_queue_refuses)
    return queue if is_refused or is_wrong(queue, task=task) else None


def let_no_misplaced_message_wait(message: Message) -> None:
    """Take the eta out of a message in a wrong queue: it fails at once, while its sender looks."""
    headers = headers_of(message)
    if wrong_queue_of(message.delivery_info, task=headers["task"]):
        headers["eta"] = None


@cache
def _tasks(patterns: str) -> TaskNames:
    return TaskNames.read(patterns.split(","))
