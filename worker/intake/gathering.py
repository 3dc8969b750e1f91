"""Group commit: a worker gathers the messages of a task, and a child decides each batch in a single transaction.

The life of a message in a worker:

1. The consumer drops a message that is not a task (consumer.py).
2. Celery's strategy drops a message that was revoked or has expired, and waits for the eta.
3. The gatherer of the task collects the message. Celery alone would send each message to a child at once.
4. When a child is free, it gets the gathered messages as a batch. While all children are busy, the batch grows.
5. The child decides the batch, commits, stores the answers, and returns an outcome for each message (batch.py).
6. Each message ends in Celery's life cycle by its outcome: events, log lines, and the acknowledgement.

A comment "acknowledgement point" marks every place in this package that acknowledges a message:

- the message was dropped, was revoked, or has expired;
- its effect is committed;
- its failure is final: the request was invalid, or the message is now a dead letter;
- its copy for a later retry is published.

A message that reaches no such point stays with the broker, which redelivers it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from celery import Celery, Task
from celery.bootsteps import RUN
from celery.concurrency.prefork import TaskPool
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request
from celery.worker.strategy import default

from worker.intake.batch import Batch
from worker.intake.envelope import is_plain
from worker.settings import settings

# The size of a batch in bytes: a few large invoices fill a batch as many small requests do.
BATCH_BYTES_MAX = 4 * 2**20
MILLISECONDS = 1_000
# While a batch is running, new messages wait up to this long for its end, so that they can run together: a message
# alone costs as much as ten. A small batch takes less than this. Only a batch that waits for a lock takes longer; the
# new messages then go to a second child.
WAIT_FOR_RUNNING_BATCH_SECONDS = 0.02


def strategy(task: Task, app: Celery, consumer: Any) -> Callable[..., Any]:
    """Return the function that Celery calls with each message of the task.

    Messages are gathered only if children are processes. In the pools `solo` and `threads` each message runs by itself.
    """
    consumer_of_strategy = consumer
    if consumer.hub and isinstance(consumer.pool, TaskPool):
        gatherer = Gatherer(task=task, consumer=consumer)
        consumer.gatherers.append(gatherer)
        consumer_of_strategy = GatheringConsumer(consumer, gatherer)
    handler: Callable[..., Any] = default(task, app, consumer_of_strategy)
    return handler


class GatheringConsumer:
    """A stand-in for the consumer, to which Celery's strategy hands the messages that are ready to run."""

    def __init__(self, consumer: CeleryConsumer, gatherer: "Gatherer") -> None:
        self._consumer = consumer
        self.on_task_request = gatherer.add

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def apply_eta_task(self, request: Request) -> None:
        """Gather a request when its eta has come."""
        CeleryConsumer.apply_eta_task(self, request)


class Gatherer:
    """The messages of one task that wait for a child, for as long as a connection to the broker lasts."""

    def __init__(self, *, task: Task, consumer: Any) -> None:
        self.task = task
        self.consumer = consumer
        self.pool = consumer.pool
        # A slot is a free child.
        self.slots = consumer.controller.semaphore
        self.size_max = settings().batch_size_max
        self.wait_seconds = settings().batch_wait_ms / MILLISECONDS
        self.gathered: deque[Request] = deque()
        # Batches that have lost their child and run again.
        self.reruns: deque[Batch] = deque()
        self.timer: Any = None
        self.waits_for_slot = False
        self.running_count = 0
        self.is_closed = False

    def add(self, request: Request) -> None:
        """Gather a request, and schedule the sending of its batch."""
        if not can_be_gathered(request):
            self.consumer.on_task_request(request)
            return
        self.gathered.append(request)
        if len(self.gathered) >= self.size_max:
            self.request_slot()
        elif self.timer is None and not self.waits_for_slot:
            wait_seconds = WAIT_FOR_RUNNING_BATCH_SECONDS if self.running_count else self.wait_seconds
            self.timer = self.consumer.hub.call_later(wait_seconds, self.request_slot)
            self.consumer.hub.call_soon(self.send_if_queues_are_empty)

    def send_if_queues_are_empty(self) -> None:
        """Stop waiting for more messages if no batch is running and the queues are known to be empty."""
        channel = getattr(self.consumer.task_consumer, "channel", None)
        if not self.running_count and getattr(channel, "is_drained", False):
            self.request_slot()

    def on_batch_ended(self) -> None:
        """Send the messages that were gathered while the last running batch ran."""
        self.running_count -= 1
        if not self.running_count:
            self.request_slot()

    def run_again(self, batch: "Batch") -> None:
        """Run a batch again as soon as a child is free."""
        self.reruns.append(batch)
        self.request_slot()

    def request_slot(self) -> None:
        """Send a batch as soon as a child is free, which may be now."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if (self.gathered or self.reruns) and not self.waits_for_slot and self.is_open():
            self.waits_for_slot = True
            self.slots.acquire(self.use_slot)

    def use_slot(self) -> None:
        """Send a batch to the free child, or return the slot if there is no batch."""
        self.waits_for_slot = False
        batch = self.next_batch() if self.is_open() else None
        if batch is not None and batch.send():
            # The pool returns the slot when the batch has ended.
            self.running_count += 1
        else:
            self.slots.release()
        self.request_slot()

    def next_batch(self) -> "Batch | None":
        """Remove the next batch and return it, or None: batches to run again come first, then the gathered messages."""
        while self.reruns:
            batch = self.reruns.popleft().without_revoked()
            if batch:
                return batch
        requests: list[Request] = []
        bytes_left = BATCH_BYTES_MAX
        while self.gathered and len(requests) < self.size_max and (bytes_left > 0 or not requests):
            request = self.gathered.popleft()
            # Acknowledgement point: Celery's `revoked` acknowledges a message that was revoked or has expired.
            if not request.revoked():
                requests.append(request)
                bytes_left -= len(request.message.body)
        return Batch(gatherer=self, requests=requests) if requests else None

    def is_open(self) -> bool:
        """Return whether batches may start. After SIGTERM they may not: gathered messages go back to the broker."""
        return not self.is_closed and self.consumer.blueprint.state == RUN and self.pool.active

    def close(self) -> None:
        """Discard the gathered messages without acknowledging them: the broker redelivers them on a new connection."""
        self.is_closed = True
        self.gathered.clear()
        self.reruns.clear()
        if self.timer is not None:
            self.timer.cancel()


def can_be_gathered(request: Request) -> bool:
    """Return whether a message may be decided in a batch.

    Celery itself must run a message that has callbacks, a chain, a chord, or a time limit of its own.
    """
    _, _, embedded = request._payload  # noqa: SLF001 - as Celery's own properties read it
    limits = request.time_limits or ()
    return (
        "task" in request.message.headers
        and not any((embedded or {}).values())
        and not any(limits)
        and is_plain(request.id)
    )
