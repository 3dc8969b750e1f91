"""Group commit: messages of one task are gathered and decided together, and each goes through Celery's life cycle.

Celery's own strategy receives each message, honours what was revoked or has expired, waits for what is due later, and
says so in events. What it would give to a child of its own is gathered here instead. A batch goes to a child when
there is one for it: while all of them are busy, batches grow by themselves. A message is acknowledged when its
effect is committed, and whatever happens to a batch, every one of its messages ends in Celery's life cycle or is
left to the broker.
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
from worker.intake.protocol import is_plain
from worker.settings import settings

# What a child is sent at once; a few large invoices fill a batch as many small requests do.
BATCH_BYTES_MAX = 4 * 2**20
MILLISECONDS = 1_000
# How long the first message of a batch waits for the end of another batch before it takes a second child: a message
# alone costs as much as ten. Longer than a small batch takes, so that only one that hangs on a lock is not waited for.
BESIDE_ANOTHER_SECONDS = 0.02


def strategy(task: Task, app: Celery, consumer: Any) -> Callable[..., Any]:
    """This function will return what Celery calls with each message of the task.

    Children that are no processes, as those of the pools solo and threads, decide each message by itself.
    """
    seen = consumer
    if consumer.hub and isinstance(consumer.pool, TaskPool):
        gatherer = Gatherer(task=task, consumer=consumer)
        consumer.gatherers.append(gatherer)
        seen = GatheringConsumer(consumer, gatherer)
    handler: Callable[..., Any] = default(task, app, seen)
    return handler


class GatheringConsumer:
    """The consumer as Celery's strategy sees it: what is ready to run is gathered."""

    def __init__(self, consumer: CeleryConsumer, gatherer: "Gatherer") -> None:
        """This method will stand before the consumer."""
        self._consumer = consumer
        self.on_task_request = gatherer.add

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def apply_eta_task(self, request: Request) -> None:
        """This method will gather a request whose time has come."""
        CeleryConsumer.apply_eta_task(self, request)


class Gatherer:
    """The messages of one task that wait for a child, while one connection to the broker lasts."""

    def __init__(self, *, task: Task, consumer: Any) -> None:
        """This method will begin with nothing gathered."""
        self.task = task
        self.consumer = consumer
        self.pool = consumer.pool
        self.slots = consumer.controller.semaphore
        self.size_max = settings().batch_size_max
        self.wait_seconds = settings().batch_wait_ms / MILLISECONDS
        self.gathered: deque[Request] = deque()
        # Batches that have met a fault and run again.
        self.again: deque[Batch] = deque()
        self.timer: Any = None
        self.waits_for_slot = False
        # Batches that are at a child.
        self.at_children = 0
        self.is_forgotten = False

    def add(self, request: Request) -> None:
        """This method will gather a request, and send a batch when it is full or has waited."""
        if not can_be_gathered(request):
            self.consumer.on_task_request(request)
            return
        self.gathered.append(request)
        if len(self.gathered) >= self.size_max:
            self.ask_for_slot()
        elif self.timer is None and not self.waits_for_slot:
            wait_seconds = BESIDE_ANOTHER_SECONDS if self.at_children else self.wait_seconds
            self.timer = self.consumer.hub.call_later(wait_seconds, self.ask_for_slot)
            self.consumer.hub.call_soon(self.look)

    def look(self) -> None:
        """This method will not wait for more messages where no batch runs and the broker is known to have none."""
        channel = getattr(self.consumer.task_consumer, "channel", None)
        if not self.at_children and getattr(channel, "is_drained", False):
            self.ask_for_slot()

    def ended(self) -> None:
        """This method will have what came while a batch ran follow it."""
        self.at_children -= 1
        if not self.at_children:
            self.ask_for_slot()

    def add_again(self, batch: "Batch") -> None:
        """This method will have a batch run again as soon as there is a child for it."""
        self.again.append(batch)
        self.ask_for_slot()

    def ask_for_slot(self) -> None:
        """This method will send what there is when a child has nothing to do, now or later."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if (self.gathered or self.again) and not self.waits_for_slot and self.is_open():
            self.waits_for_slot = True
            self.slots.acquire(self.take_slot)

    def take_slot(self) -> None:
        """This method will send one batch to a child, or let another have it."""
        self.waits_for_slot = False
        batch = self.next_batch() if self.is_open() else None
        if batch is not None and batch.send():
            self.at_children += 1
        else:
            self.slots.release()
        self.ask_for_slot()

    def next_batch(self) -> "Batch | None":
        """This method will take what runs together: what has met a fault first, and nothing that was revoked."""
        while self.again:
            batch = self.again.popleft().without_revoked()
            if batch:
                return batch
        taken: list[Request] = []
        left = BATCH_BYTES_MAX
        while self.gathered and len(taken) < self.size_max and (left > 0 or not taken):
            request = self.gathered.popleft()
            if not request.revoked():
                taken.append(request)
                left -= len(request.message.body)
        return Batch(gatherer=self, requests=taken) if taken else None

    def is_open(self) -> bool:
        """This method will tell whether batches may begin: after SIGTERM, what was gathered goes back to the broker."""
        return not self.is_forgotten and self.consumer.blueprint.state == RUN and self.pool.active

    def forget(self) -> None:
        """This method will leave what was gathered to the broker, which delivers it again on a new connection."""
        self.is_forgotten = True
        self.gathered.clear()
        self.again.clear()
        if self.timer is not None:
            self.timer.cancel()


def can_be_gathered(request: Request) -> bool:
    """This function will tell whether a message may be decided among others.

    Canvas (callbacks, chains, chords) and time limits of its own are Celery's to run, one message after the other.
    """
    _, _, embedded = request._payload  # noqa: SLF001 - as its own properties read it
    limits = request.time_limits or ()
    return (
        "task" in request.message.headers
        and not any((embedded or {}).values())
        and not any(limits)
        and is_plain(request.id)
    )
