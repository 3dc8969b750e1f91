"""Publishing for Scrip's own bulk senders: thousands of messages in a few round trips to the broker.

Each message has the headers, ids and routes that `send_task` would give it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from celery import Celery
from celery.result import AsyncResult
from kombu import Producer
from kombu.exceptions import BatchPublishError, OperationalError
from kombu.utils.uuid import uuid

# Messages in a round trip, which holds them in memory: a bulk request of 1,000 items is 200 kB.
ROUND_TRIP_COUNT = 500
# A bulk sender waits for a broker that restarts, since nobody would repeat its work. 100 attempts take three minutes.
SEND_RETRIES_MAX = 100
RETRY_POLICY = {"max_retries": SEND_RETRIES_MAX, "interval_start": 0, "interval_step": 0.2, "interval_max": 2}


class Outgoing(NamedTuple):
    """A message to send: the name of its task, its request, and further options of `send_task`."""

    task: str
    request: object
    options: Mapping[str, Any] = {}


def send_all(
    app: Celery, messages: Iterable[Outgoing], *, round_trip_count: int = ROUND_TRIP_COUNT
) -> list[AsyncResult]:
    """Send the messages in their order, `round_trip_count` in each round trip, and return their results.

    If the connection breaks, the round trip is repeated when the broker is back. Some of its messages may then be in
    the queue twice, under the same task id; none is missing. RabbitMQ gets each message in a round trip of its own.
    Raises kombu's OperationalError if the broker does not come back; the messages sent until then stay sent.
    """
    results: list[AsyncResult] = []
    # The ids are drawn before sending, so that a message sent again keeps its id.
    identified = ((each, {"task_id": uuid(), **each.options}) for each in messages)
    with app.producer_pool.acquire(block=True) as producer:
        while chunk := list(islice(identified, round_trip_count)):
            results += _send(app, producer, chunk)
    return results


def _send(app: Celery, producer: Producer, chunk: Sequence[tuple[Outgoing, Mapping[str, Any]]]) -> list[AsyncResult]:
    def send() -> list[AsyncResult]:
        try:
            with producer.batch(max_size=len(chunk)):
                return [
                    # A retry of a single message would change the order.
                    app.send_task(
                        each.task, kwargs={"request": each.request}, producer=producer, retry=False, **options
                    )
                    for each, options in chunk
                ]
        except (BatchPublishError, OperationalError) as error:
            # `ensure` decides by the connection's own error whether to connect again.
            raise error.__cause__ or error from None

    sent: list[AsyncResult] = producer.connection.ensure(producer, send, **RETRY_POLICY)()
    return sent
