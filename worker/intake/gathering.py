"""Group commit: a worker gathers the messages of a task, and a child decides each batch in a single transaction.

The life of a message in a worker:

1. The consumer drops a message that is not a task (dropping_consumer.py).
2. Celery's strategy drops a message that was revoked or has expired. A message that is due later waits on the server.
3. The gatherer of the task collects the message (strategy.py). Celery alone would send each message to a child at once.
4. When a child is free, it gets the gathered messages as a batch. While all children are busy, the batch grows. A task
   that cannot decide messages together has batches of one.
5. The child decides the batch, commits, stores the answers, and returns an outcome for each message (batch.py).
6. Each message ends in Celery's life cycle by its outcome: events, log lines, and the acknowledgement. A message that
   could not be decided is postponed (unended.py), or waits for the database (outage.py).

A comment "acknowledgement point" marks every place in this package that acknowledges a message:

- the message was dropped, was revoked, or has expired;
- its effect is committed;
- RabbitMQ has a copy of it, which waits until it is due or tried again;
- its failure is final: the request was invalid, or the message is now a dead letter.

A message that reaches no such point stays with the broker, which redelivers it.
"""

from collections import deque
from typing import Any

from celery import Task
from celery.bootsteps import RUN
from celery.worker import state
from celery.worker.request import Request
from celery.worker.state import active_requests, task_ready

from worker.intake.batch import Batch
from worker.intake.delivery import ENDS_CONNECTIONS, Outcome
from worker.intake.outage import Outage
from worker.intake.unended import put_back
from worker.intake.waiting_messages import WaitingMessages
from worker.settings import settings

MILLISECONDS = 1_000
# While a batch is running, new messages wait up to this long for its end, so that they can run together: a message
# alone costs as much as ten. A small batch takes less than this. Only a batch that waits for a lock takes longer; the
# new messages then go to a second child.
WAIT_FOR_RUNNING_BATCH_SECONDS = 0.02
# Redelivered messages wait for the end of a batch of redelivered ones. A batch that takes longer waits for a lock.
WAIT_FOR_REDELIVERED_SECONDS = 1
# After a batch has lost its connection so often, with the database there in between, one of its messages may be the
# cause.
LOSSES_MAX = 3


class Gatherer:
    """The messages of one task that wait for a child, for as long as a connection to the broker lasts."""

    def __init__(self, *, task: Task, consumer: Any, outage: Outage) -> None:
        self.task = task
        self.consumer = consumer
        self.outage = outage
        self.pool = consumer.pool
        # A slot is a free child.
        self.slots = consumer.controller.semaphore
        self.size_max = settings().batch_size_max if task.is_gathered else 1
        self.wait_seconds = settings().batch_wait_ms / MILLISECONDS
        self.gathered = WaitingMessages(size_max=self.size_max)
        # Batches that have lost their child, or the database, and run again.
        self.reruns: deque[Batch] = deque()
        # Requests that are tried again after a pause. On Redis and Valkey there are none.
        self.waiting: dict[Request, None] = {}
        self.timer: Any = None
        self.waits_for_slot = False
        self.running: set[Batch] = set()
        self.is_closed = False

    def add(self, request: Request) -> None:
        """Gather a request, and schedule the sending of its batch."""
        self.gathered.add(request)
        if len(self.gathered) >= self.size_max:
            self.request_slot()
        elif self.timer is None and not self.waits_for_slot:
            wait_seconds = WAIT_FOR_RUNNING_BATCH_SECONDS if self.is_running() else self.wait_seconds
            self.timer = self.consumer.hub.call_later(wait_seconds, self.request_slot)
            self.consumer.hub.call_soon(self.send_if_queues_are_empty)

    def add_later(self, request: Request, seconds: float) -> None:
        """Let a request wait for that time, on RabbitMQ or else in this worker."""
        again, republisher = Batch(gatherer=self, requests=[request]), self.consumer.republisher
        self.waiting[request] = None

        def wait_here() -> None:
            self.consumer.hub.call_later(seconds, self.run_again, again)

        def end(is_stored: bool) -> None:  # noqa: FBT001 - a callback
            # Otherwise the connection was lost, and RabbitMQ redelivers the message.
            if request in self.waiting:
                if is_stored:
                    del self.waiting[request]
                    # Acknowledgement point: RabbitMQ has a copy.
                    request.acknowledge()
                    task_ready(request)
                else:
                    wait_here()

        if republisher is None:
            wait_here()
        else:
            republisher.delay(request.message, seconds=seconds, on_ended=end, is_begun=True)

    def send_if_queues_are_empty(self) -> None:
        """Stop waiting for more messages if no batch is running and the queues are known to be empty."""
        channel = getattr(self.consumer.task_consumer, "channel", None)
        if not self.is_running() and getattr(channel, "is_drained", False):
            self.request_slot()

    def is_running(self) -> bool:
        """Return whether a batch is running, apart from one of redelivered messages, which new ones do not join."""
        return bool(self.running - {self.gathered.awaited})

    def on_batch_ended(self, batch: "Batch", *, found_servers: bool | None) -> None:
        """Send the messages that were gathered while the last running batch ran."""
        self.running.discard(batch)
        if found_servers:
            self.outage.note_back()
        elif found_servers is None:
            self.outage.note_lost()
        if self.gathered.note_ended(batch) or not self.is_running():
            self.request_slot()

    def await_no_longer(self, batch: "Batch") -> None:
        """Let redelivered messages wait no longer for a batch that waits for a lock itself."""
        if self.gathered.note_ended(batch):
            self.request_slot()

    def run_again(self, batch: "Batch") -> None:
        """Run a batch again as soon as a child is free."""
        self._add_rerun(batch)
        self.request_slot()

    def await_servers(self, batch: "Batch", found: Outcome) -> None:
        """Run a batch again when the servers are back. If that does not help several times, look for poison in it."""
        if not self.is_open():
            put_back(batch.requests)
            return
        if batch.losses >= LOSSES_MAX:
            batch.child_death = ENDS_CONNECTIONS
        self._add_rerun(batch)
        self.outage.note_away(found)

    def _add_rerun(self, batch: "Batch") -> None:
        for request in batch.requests:
            self.waiting.pop(request, None)
            # No child runs it now. If the connection is lost before the next child accepts the batch, Celery drops the
            # batch, and the next channel puts the message back. It leaves active requests to their children.
            active_requests.discard(request)
        self.reruns.append(batch)

    def request_slot(self) -> None:
        """Send a batch as soon as a child is free, which may be now."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.has_batch() and not self.waits_for_slot and self.is_open():
            self.waits_for_slot = True
            self.slots.acquire(self.use_slot)

    def has_batch(self) -> bool:
        """Return whether there are messages to send, and the database is not known to be away."""
        return bool(self.gathered or self.reruns) and self.outage.allowed_size(self.size_max) > 0

    def use_slot(self) -> None:
        """Send a batch to the free child, or return the slot if there is no batch."""
        self.waits_for_slot = False
        batch = None
        try:
            batch = self.next_batch() if self.is_open() and self.has_batch() else None
            if batch is not None and batch.send():
                # The pool returns the slot when the batch has ended.
                self.running.add(batch)
                self.outage.note_sent()
                if self.gathered.note_sent(batch):
                    self.consumer.hub.call_later(WAIT_FOR_REDELIVERED_SECONDS, self.await_no_longer, batch)
                return
            if batch is not None:
                put_back(batch.requests)
        finally:
            if batch not in self.running:
                self.slots.release()
            self.request_slot()

    def next_batch(self) -> "Batch | None":
        """Remove the next batch and return it, or None: batches to run again come first, then the gathered messages."""
        while self.reruns:
            batch = self.reruns.popleft().without_revoked()
            if batch and self.outage.is_on:
                # The first message is the probe.
                batch, *others = batch.divided()
                self.reruns.extend(others)
            if batch:
                return batch
        requests = self.gathered.take(allowed_size=self.outage.allowed_size)
        return Batch(gatherer=self, requests=requests) if requests else None

    def is_open(self) -> bool:
        """Return whether batches may start. From SIGTERM on they may not: gathered messages go back to the broker."""
        is_running = self.consumer.blueprint.state == RUN and self.pool.active
        # The signal sets an exit code, before the loop of the worker closes the consumer.
        return not self.is_closed and is_running and state.should_stop is None

    def close(self) -> None:
        """Put back the messages that no child has begun, at a loss of the connection or at a stop of the worker.

        On Redis and Valkey, the next channel of this process puts them back if this one is lost. RabbitMQ does that
        itself.
        """
        self.is_closed = True
        if self.timer is not None:
            self.timer.cancel()
        unbegun = [*self.gathered.take_all(), *(request for batch in self.reruns for request in batch.requests)]
        self.reruns.clear()
        put_back([*unbegun, *self.waiting])
        self.waiting.clear()
