"""Send messages to Scrip's queues, and wait for the results: all that the client needs of Celery."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from time import monotonic, sleep
from typing import Any, NamedTuple
from uuid import uuid4

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.utils.json import dumps

from scrip_client.errors import NoAnswerError, NotSentError, failure_of
from scrip_client.signing import HEADER, SigningKey

QUEUES = ("redemptions", "billing", "admin", "sweeps")
# As Scrip's workers declare them on RabbitMQ. Another declaration would be an error.
EXCHANGE = Exchange("scrip", type="topic")
QUORUM_QUEUE = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}
# So many messages are pushed in a round trip.
PUSHED_MAX = 1_000
CONNECTING_SECONDS_MAX = 5
# The pause between two looks at the result store grows from the first to the second.
POLLING_SECONDS_MIN, POLLING_SECONDS_MAX = 0.002, 0.05
# How often a send is tried, and the pause before the first repetition in seconds.
RETRIES = {"max_retries": 3, "interval_start": 0.2}

Request = Mapping[str, Any]


class _Addressed(NamedTuple):
    id: str
    message: Any


class Transport:
    """The connections to the broker and to the result store of a Scrip. Threads may share it."""

    def __init__(
        self,
        broker_url: str,
        *,
        result_url: str | None = None,
        key: SigningKey | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the connections, which are made at their first use.

        Without `result_url`, results are in the broker. `settings` are Celery's own.
        """
        self.key = key
        self.app = Celery("scrip_client", broker=broker_url, backend=result_url or broker_url, set_as_current=False)
        is_rabbitmq = broker_url.startswith(("amqp", "pyamqp"))
        waits = {"socket_connect_timeout": CONNECTING_SECONDS_MAX, "socket_timeout": CONNECTING_SECONDS_MAX}
        self.app.conf.update(
            task_queues=[_declared(each, is_rabbitmq=is_rabbitmq) for each in QUEUES],
            # Releases of Celery before 5.7 want to know the default queue, to which nothing is sent here.
            task_default_queue="admin",
            # A misspelt queue is an error, and not a new queue that nobody reads.
            task_create_missing_queues=False,
            task_publish_retry_policy=RETRIES,
            broker_connection_timeout=CONNECTING_SECONDS_MAX,
            # RabbitMQ tells the sender that it has the message.
            broker_transport_options={"confirm_publish": True} if is_rabbitmq else waits,
        )
        self.app.conf.update(settings or {})

    def send(self, task: str, queue: str, request: Request, *, wants_answer: bool = True) -> str:
        """Send a request, and return the id of its task. Raises NotSentError."""
        addressed = self._addressed(task, queue, request, wants_answer=wants_answer)
        with self._sending() as producer:
            self.app.amqp.send_task_message(producer, task, addressed.message, queue=queue)
        return addressed.id

    def send_many(self, task: str, queue: str, requests: Sequence[Request], *, wants_answer: bool = True) -> list[str]:
        """Send requests, and return the ids of their tasks, in order. Raises NotSentError; some may have been sent.

        On Redis and Valkey, a thousand messages are one round trip.
        """
        all_of_them = [self._addressed(task, queue, each, wants_answer=wants_answer) for each in requests]
        with self._sending() as producer:
            if producer.connection.transport.driver_type == "redis":
                texts = [_envelope(each.message, queue=queue) for each in all_of_them]
                for first in range(0, len(texts), PUSHED_MAX):
                    producer.channel.client.lpush(queue, *texts[first : first + PUSHED_MAX])
            else:
                for each in all_of_them:
                    self.app.amqp.send_task_message(producer, task, each.message, queue=queue)
        return [each.id for each in all_of_them]

    def answers(self, ids: Sequence[str], *, timeout: float) -> list[Any]:
        """Return the answers of tasks, in their order, and the exceptions of those that have failed.

        All are asked for in one round trip, again and again for so many seconds. Raises NoAnswerError.
        """
        until, pause = monotonic() + timeout, POLLING_SECONDS_MIN
        found: dict[str, Any] = {}
        fault = self._look_for(ids, found)
        while missing := [each for each in ids if each not in found]:
            if monotonic() + pause > until:
                raise NoAnswerError(f"no answer within {timeout:g} s") from fault
            sleep(pause)
            pause = min(2 * pause, POLLING_SECONDS_MAX)
            fault = self._look_for(missing, found)
        return [found[each] for each in ids]

    def is_ready(self, id_: str) -> bool:
        """Return whether a task has an answer or has failed for good."""
        return bool(self.app.AsyncResult(id_).ready())

    def _look_for(self, ids: Sequence[str], found: dict[str, Any]) -> Exception | None:
        """Add the answers that are there, and return the error of a result store that cannot be read."""
        try:
            for id_, meta in self.app.backend.get_many(ids, interval=0, max_iterations=1):
                has_failed = isinstance(meta["result"], BaseException)
                found[id_] = failure_of(meta["result"]) if has_failed else meta["result"]
        except Exception as error:
            # It may be back before the time is up. The errors of tasks are not raised here.
            return error
        return None

    def close(self) -> None:
        """Close the connections."""
        self.app.close()

    def _addressed(self, task: str, queue: str, request: Request, *, wants_answer: bool) -> _Addressed:
        id_ = str(uuid4())
        message = self.app.amqp.as_task_v2(
            # What Celery would show of the request may be a code.
            id_,
            task,
            kwargs={"request": request},
            argsrepr="(…)",
            kwargsrepr="{…}",
            ignore_result=not wants_answer,
        )
        if self.key is not None:
            message.headers[HEADER] = self.key.sign(message.headers, dumps(message.body).encode(), queue=queue)
        return _Addressed(id_, message)

    @cached_property
    def _faults(self) -> tuple[type[Exception], ...]:
        """The errors of the broker, which its driver defines."""
        connection = self.app.connection_for_write()
        return (*connection.connection_errors, *connection.channel_errors, OperationalError, OSError)

    @contextmanager
    def _sending(self) -> Iterator[Any]:
        try:
            with self.app.producer_or_acquire() as producer:
                yield producer
        except self._faults as error:
            raise NotSentError(f"the broker has not taken the message: {error}") from error


def _declared(queue: str, *, is_rabbitmq: bool) -> Queue:
    if is_rabbitmq:
        return Queue(queue, EXCHANGE, routing_key=queue, queue_arguments=QUORUM_QUEUE)
    return Queue(queue, routing_key=queue)


def _envelope(message: Any, *, queue: str) -> str:
    """Return the message as kombu keeps it in Redis."""
    id_ = message.properties["correlation_id"]
    text: str = dumps(
        {
            "body": b64encode(dumps(message.body).encode()).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": message.headers,
            "properties": {
                "correlation_id": id_,
                "delivery_tag": id_,
                "delivery_mode": 2,
                "priority": 0,
                "body_encoding": "base64",
                "delivery_info": {"exchange": "", "routing_key": queue},
            },
        }
    )
    return text
