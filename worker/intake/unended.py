"""Messages that a worker no longer works on and that are not decided: put back, or postponed.

Neither acknowledges a message: at every instant it stays with the broker.
"""

from collections.abc import Callable, Iterable
from time import time
from typing import Any

from celery.utils.log import get_logger
from celery.worker.request import Request
from celery.worker.state import task_ready
from kombu import Message

from worker.broker.due_times import instant_of
from worker.intake.envelope import headers_of

logger = get_logger(__name__)

# A lock may be held for long, and a fault may pass in a moment.
PAUSE_SECONDS = 2


def put_back(requests: Iterable[Request]) -> None:
    """Put messages back into their queues, where they are fetched first.

    RabbitMQ puts back the messages of a lost connection itself.
    """
    for request in requests:
        channel = request.message.channel
        if hasattr(channel, "postpone"):
            # At once: Celery's own way would wait for the next turn of the loop.
            request.message.reject(requeue=True)
            request.acknowledged = True
        elif getattr(channel, "connection", None) is not None:
            request.reject(requeue=True)
        task_ready(request)


def postpone(request: Request, error: Any, *, add_later: Callable[[Request, float], None]) -> None:
    """Have a message tried again after a pause. It waits on the server, and `add_later` puts it there on RabbitMQ."""
    logger.debug(
        "Task %s[%s] is tried again in %d s: %s", request.name, request.id, PAUSE_SECONDS, type(error).__name__
    )
    request.send_event("task-retried", exception=type(error).__name__, traceback="")
    message = request.message
    if not hasattr(message.channel, "postpone"):
        add_later(request, PAUSE_SECONDS)
        return
    message.channel.postpone_for(message.delivery_tag, PAUSE_SECONDS)
    # This worker no longer holds the message, so nothing may acknowledge it.
    request.acknowledged = True
    task_ready(request)


def let_no_begun_message_expire(message: Message) -> None:
    """Take the expiry out of a message that a child may have begun, since its effect may be committed."""
    if message.delivery_info.get("redelivered"):
        headers_of(message)["expires"] = None


def seconds_until_due(message: Message) -> float | None:
    """Return the time until a message is due, which may be negative, or None if it is due at any time."""
    due = instant_of(headers_of(message).get("eta"))
    if due is None:
        return None
    if not hasattr(message.channel, "seconds_until"):
        # RabbitMQ does not tell the time.
        return due - time()
    seconds: float = message.channel.seconds_until(due)
    return seconds


def is_postponed_until_due(message: Message, *, delay: Callable[[Message, float], bool]) -> bool:
    """Return whether a message is due later and waits on the server until then.

    If the server is RabbitMQ, `delay` makes the message wait for so many seconds, and returns whether it can.
    """
    headers = headers_of(message)
    due = instant_of(headers.get("eta"))
    if due is None:
        return False
    if not hasattr(message.channel, "postpone"):
        # RabbitMQ does not tell the time.
        return due > time() and delay(message, due - time())
    if message.channel.is_due(due):
        # Celery would compare the eta with this machine's clock.
        headers["eta"] = None
        return False
    message.channel.postpone(message.delivery_tag, until=due)
    return True
