"""Sending many messages at once, for bulk senders of our own: a few round trips to the broker for thousands of tasks.

What arrives is what `send_task` sends, one by one: the same headers, ids and routes.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from celery import Celery
from celery.result import AsyncResult
from kombu import Producer
from kombu.exceptions import BatchPublishError, OperationalError
from kombu.utils.uuid import uuid

# Messages in one round trip. It holds them all in memory: a bulk request of 1,000 items is 200 kB.
AT_ONCE = 500
# A broker that restarts is waited for: a bulk sender has nobody who would try again. 100 attempts fetch three minutes.
RETRIES_MAX = 100
RETRY_POLICY = {"max_retries": RETRIES_MAX, "interval_start": 0, "interval_step": 0.2, "interval_max": 2}


class Outgoing(NamedTuple):
    """A task to send: its name, its request, and whatever else `send_task` is to be told."""

    task: str
    request: object
    options: Mapping[str, Any] = {}


def send_all(app: Celery, messages: Iterable[Outgoing], *, at_once: int = AT_ONCE) -> list[AsyncResult]:
    """This function will send the messages in their order, so many in one round trip, and return their results.

    When the connection breaks, the round trip is made again once the broker is back. Some of its messages may then
    be there twice, each time under the same task id; none is missing. It raises kombu's OperationalError where the
    broker stays away: what was sent by then stays sent. A broker that knows no round trips for many messages, as
    RabbitMQ, is sent one after the other.
    """
    results: list[AsyncResult] = []
    # The ids are drawn here: a message that has to be sent again must be the same one.
    identified = ((each, {"task_id": uuid(), **each.options}) for each in messages)
    with app.producer_pool.acquire(block=True) as producer:
        while chunk := list(islice(identified, at_once)):
            results += _send(app, producer, chunk)
    return results


def _send(app: Celery, producer: Producer, chunk: Sequence[tuple[Outgoing, Mapping[str, Any]]]) -> list[AsyncResult]:
    def send() -> list[AsyncResult]:
        try:
            with producer.batch(max_size=len(chunk)):
                return [
                    # Sending one of them again by itself would be in nobody's order.
                    app.send_task(
                        each.task, kwargs={"request": each.request}, producer=producer, retry=False, **options
                    )
                    for each, options in chunk
                ]
        except (BatchPublishError, OperationalError) as error:
            # What happened to the connection, for whoever decides whether to connect again.
            raise error.__cause__ or error from None

    sent: list[AsyncResult] = producer.connection.ensure(producer, send, **RETRY_POLICY)()
    return sent
