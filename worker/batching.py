"""Group commit: messages of one task are gathered and decided together, and each goes through Celery's life cycle.

Celery's own strategy receives each message, honours what was revoked or has expired, waits for what is due later, and
says so in events. What it would give to a child of its own is gathered here instead. A batch goes to a child when
there is one for it: while all of them are busy, batches grow by themselves. A message is acknowledged when its
effect is committed, and whatever happens to a batch, every one of its messages ends in Celery's life cycle or is
left to the broker.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import Celery, Task
from celery.bootsteps import RUN
from celery.concurrency.prefork import TaskPool
from celery.exceptions import Retry
from celery.utils.log import get_logger
from celery.utils.time import get_exponential_backoff_interval
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request
from celery.worker.strategy import default

from worker.deliveries import Delivery, Fate, Original, Outcome
from worker.settings import settings

logger = get_logger(__name__)

# What a child is sent at once; a few large invoices fill a batch as many small requests do.
BATCH_BYTES_MAX = 4 * 2**20
MILLISECONDS = 1_000
# Ids that are ours or Celery's are far shorter. They are written into tables.
ID_LENGTH_MAX = 255


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


def decide_in_child(name: str, deliveries: Sequence[Delivery], suspected_of: str) -> list[Outcome]:
    """This function will decide a batch, in the child that it is called in."""
    # By its name, as everything of tasks/ is reached from here.
    outcomes: list[Outcome] = import_module("tasks.batches").run(name, deliveries, suspected_of)
    return outcomes


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
            self.timer = self.consumer.hub.call_later(self.wait_seconds, self.ask_for_slot)
            self.consumer.hub.call_soon(self.look)

    def look(self) -> None:
        """This method will not wait for more messages where the broker is known to have none."""
        channel = getattr(self.consumer.task_consumer, "channel", None)
        if getattr(channel, "is_drained", False):
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
        if batch is None or not batch.send():
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


class Batch:
    """Requests that are decided together, each message once however often it is among them."""

    def __init__(self, *, gatherer: Gatherer, requests: Iterable[Request], suspected_of: str = "") -> None:
        """This method will put the copies of a message side by side."""
        self.gatherer = gatherer
        self.task = gatherer.task
        # How the child ended that had it before.
        self.suspected_of = suspected_of
        copies: dict[tuple[str, Any], list[Request]] = {}
        for request in requests:
            copies.setdefault((request.id, request.message.body), []).append(request)
        self.copies = list(copies.values())

    @property
    def requests(self) -> list[Request]:
        """This property will be all requests of the batch."""
        return [request for copies in self.copies for request in copies]

    def without_revoked(self) -> "Batch | None":
        """This method will return the batch without what was revoked since, or None where nothing is left."""
        left = [request for request in self.requests if not request.revoked()]
        return Batch(gatherer=self.gatherer, requests=left, suspected_of=self.suspected_of) if left else None

    def send(self) -> bool:
        """This method will give the batch to a child, and tell whether there was one."""
        deliveries = [delivery_of(copies[0], is_suspect=bool(self.suspected_of)) for copies in self.copies]
        result = self.gatherer.pool.apply_async(
            decide_in_child,
            args=(self.task.name, deliveries, self.suspected_of),
            accept_callback=self.on_accepted,
            callback=self.on_outcomes,
            error_callback=self.on_fault,
            timeout=self.task.time_limit or settings().batch_time_limit_seconds,
        )
        return result is not None

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """This method will say of each message that it has begun."""
        with ExitStack() as each_of_them:
            for request in self.requests:
                each_of_them.callback(request.on_accepted, pid, time_accepted)

    def on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """This method will end each message as its outcome says, whatever happens to the others."""
        with ExitStack() as each_of_them:
            again: list[tuple[Request, Outcome]] = []
            for copies, outcome in zip(self.copies, outcomes, strict=True):
                for request in copies:
                    if outcome.fate is Fate.TRY_AGAIN:
                        again.append((request, outcome))
                    else:
                        each_of_them.callback(end, request, outcome)
            if again:
                each_of_them.callback(self.send_again, again)

    def on_fault(self, fault: ExceptionInfo) -> None:
        """This method will have the messages run again whose child has died, or was killed over one of them."""
        error = fault.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, Terminated):
            self.on_terminated(fault)
        elif isinstance(error, (WorkerLostError, TimeLimitExceeded, SystemExit, KeyboardInterrupt)):
            logger.error("a child was lost with %d messages of %s: %r", len(self.copies), self.task.name, error)
            self.run_again(self.requests, suspected_of=f"{type(error).__name__}: its process ended")
        else:
            logger.error("a batch of %s has failed: %s", self.task.name, type(error).__name__)
            self.send_again([(request, Outcome(Fate.TRY_AGAIN, error=error)) for request in self.requests])

    def on_terminated(self, fault: ExceptionInfo) -> None:
        """This method will end what somebody has revoked together with its child, and run the others again."""
        over = [each for each in self.requests if each._already_revoked or each._already_cancelled]  # noqa: SLF001
        for request in over:
            request.on_failure(fault)
        self.run_again([each for each in self.requests if each not in over], suspected_of=self.suspected_of)

    def run_again(self, requests: Sequence[Request], *, suspected_of: str) -> None:
        """This method will give the requests to another child; where there is none, the broker has them still."""
        if requests and self.gatherer.is_open():
            self.gatherer.add_again(Batch(gatherer=self.gatherer, requests=requests, suspected_of=suspected_of))

    def send_again(self, again: Sequence[tuple[Request, Outcome]]) -> None:
        """This method will publish messages to be tried later, and acknowledge what the broker then has twice.

        Those of one age come together, so that they are a batch again.
        """
        delays = {retries: self.delay_seconds(retries) for retries in {retries_of(request) for request, _ in again}}
        try:
            with self.task.app.producer_or_acquire() as producer, producer.batch():
                for request, _ in again:
                    context = request._context  # noqa: SLF001 - as Celery does for a child that was lost
                    retries = retries_of(request)
                    options = {"countdown": delays[retries], "retries": retries + 1}
                    self.task.signature_from_request(context, **options).apply_async(producer=producer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the messages must not stay with a worker that lives
            logger.error("messages to be tried again go back to their queue: %s", type(error).__name__)  # noqa: TRY400
            for request, _ in again:
                request.reject(requeue=True)
            return
        with ExitStack() as each_of_them:
            for request, outcome in again:
                each_of_them.callback(retried, request, outcome, countdown=delays[retries_of(request)])

    def delay_seconds(self, retries: int) -> int:
        """This method will return after how long to try again what was tried so often, by chance in part."""
        seconds: int = get_exponential_backoff_interval(
            factor=max(1, int(self.task.retry_backoff)),
            retries=retries,
            maximum=self.task.retry_backoff_max,
            full_jitter=self.task.retry_jitter,
        )
        return seconds


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
        and len(request.id) <= ID_LENGTH_MAX
        and request.id.isascii()
        and request.id.isprintable()
    )


def delivery_of(request: Request, *, is_suspect: bool) -> Delivery:
    """This function will return a request as a child needs to know it."""
    redelivered = bool(request.delivery_info["redelivered"])
    retries = retries_of(request)
    return Delivery(
        id=request.id,
        args=request.args,
        kwargs=request.kwargs,
        retries=retries,
        redelivered=redelivered,
        wants_answer=not request.ignore_result,
        group=request.group,
        parent=request.parent_id,
        original=original_of(request) if is_suspect or redelivered or retries else None,
    )


def retries_of(request: Request) -> int:
    """This function will return how often a message was sent again."""
    retries: int = request.request_dict.get("retries") or 0
    return retries


def original_of(request: Request) -> Original:
    """This function will return a request's message as it came."""
    message = request.message
    body = message.body
    return Original(
        queue=request.delivery_info["routing_key"],
        headers=message.headers,
        body=body.encode() if isinstance(body, str) else bytes(body),
        content_type=message.content_type,
        content_encoding=message.content_encoding or "utf-8",
    )


def end(request: Request, outcome: Outcome) -> None:
    """This function will end a message that was decided, or that nobody can decide."""
    if outcome.fate is Fate.SUCCEEDED:
        request.on_success((False, "…", outcome.seconds))
    else:
        request.on_failure(outcome.error, return_ok=True)


def retried(request: Request, outcome: Outcome, *, countdown: int) -> None:
    """This function will end a message whose copy is tried later."""
    reason = Retry(exc=outcome.error, when=countdown)
    logger.info("Task %s[%s] retry: %s", request.name, request.id, reason)
    # Without a traceback there is no record of an exception.
    with suppress(Retry):
        raise reason
    request.on_failure(ExceptionInfo((Retry, reason, reason.__traceback__)))
