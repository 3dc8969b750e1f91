"""A batch of messages at its child and back: each ends in Celery's life cycle, or is left to the broker."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Protocol

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import Task, current_app
from celery.exceptions import Retry
from celery.utils.log import get_logger
from celery.utils.time import get_exponential_backoff_interval
from celery.worker.request import Request

from worker.intake.delivery import Delivery, Fate, Original, Outcome
from worker.settings import settings

logger = get_logger(__name__)


class Runner(Protocol):
    """What a batch needs of whoever has gathered it."""

    task: Task
    consumer: Any
    pool: Any

    def is_open(self) -> bool:
        """This method will tell whether batches may begin."""

    def add_again(self, batch: "Batch") -> None:
        """This method will have a batch run again as soon as there is a child for it."""

    def ended(self) -> None:
        """This method will be told that a batch is no longer at its child."""


def decide_in_child(name: str, deliveries: Sequence[Delivery], child_death: str) -> list[Outcome]:
    """Decide a batch of the task of that name, in the child that this is called in."""
    outcomes: list[Outcome] = current_app.tasks[name].decide_batch(deliveries, child_death)
    return outcomes


class Batch:
    """Requests that are decided together, each message once however often it is among them."""

    def __init__(self, *, gatherer: Runner, requests: Iterable[Request], child_death: str = "") -> None:
        """This method will put the copies of a message side by side."""
        self.gatherer = gatherer
        self.task = gatherer.task
        # How the child ended that had it before.
        self.child_death = child_death
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
        return Batch(gatherer=self.gatherer, requests=left, child_death=self.child_death) if left else None

    def send(self) -> bool:
        """This method will give the batch to a child, and tell whether there was one."""
        deliveries = [delivery_of(copies[0], is_suspect=bool(self.child_death)) for copies in self.copies]
        result = self.gatherer.pool.apply_async(
            decide_in_child,
            args=(self.task.name, deliveries, self.child_death),
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
            each_of_them.callback(self.gatherer.ended)
            again: list[tuple[Request, Outcome]] = []
            for copies, outcome in zip(self.copies, outcomes, strict=True):
                for request in copies:
                    if outcome.fate is Fate.TRY_AGAIN:
                        again.append((request, outcome))
                    else:
                        each_of_them.callback(end_message, request, outcome)
            if again:
                each_of_them.callback(self.send_again, again)

    def on_fault(self, fault: ExceptionInfo) -> None:
        """This method will have the messages run again whose child has died, or was killed over one of them."""
        with ExitStack() as afterwards:
            afterwards.callback(self.gatherer.ended)
            self.end_with(fault)

    def end_with(self, fault: ExceptionInfo) -> None:
        """This method will end or run again each message by how the batch has failed."""
        error = fault.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, Terminated):
            self.on_terminated(fault)
        elif isinstance(error, (WorkerLostError, TimeLimitExceeded, SystemExit, KeyboardInterrupt)):
            logger.error("a child was lost with %d messages of %s: %r", len(self.copies), self.task.name, error)
            self.run_again(self.requests, child_death=f"{type(error).__name__}: its process ended")
        else:
            logger.error("a batch of %s has failed: %s", self.task.name, type(error).__name__)
            self.send_again([(request, Outcome(Fate.TRY_AGAIN, error=error)) for request in self.requests])

    def on_terminated(self, fault: ExceptionInfo) -> None:
        """This method will end what somebody has revoked together with its child, and run the others again."""
        over = [each for each in self.requests if each._already_revoked or each._already_cancelled]  # noqa: SLF001
        for request in over:
            request.on_failure(fault)
        self.run_again([each for each in self.requests if each not in over], child_death=self.child_death)

    def run_again(self, requests: Sequence[Request], *, child_death: str) -> None:
        """This method will give the requests to another child; where there is none, the broker has them still."""
        if requests and self.gatherer.is_open():
            self.gatherer.add_again(Batch(gatherer=self.gatherer, requests=requests, child_death=child_death))

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
                each_of_them.callback(end_for_retry, request, outcome, countdown=delays[retries_of(request)])

    def delay_seconds(self, retries: int) -> int:
        """This method will return after how long to try again what was tried so often, by chance in part."""
        seconds: int = get_exponential_backoff_interval(
            factor=max(1, int(self.task.retry_backoff)),
            retries=retries,
            maximum=self.task.retry_backoff_max,
            full_jitter=self.task.retry_jitter,
        )
        return seconds


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


def end_message(request: Request, outcome: Outcome) -> None:
    """This function will end a message that was decided, or that nobody can decide."""
    if outcome.fate is Fate.SUCCEEDED:
        request.on_success((False, "…", outcome.seconds))
    else:
        request.on_failure(outcome.error, return_ok=True)


def end_for_retry(request: Request, outcome: Outcome, *, countdown: int) -> None:
    """This function will end a message whose copy is tried later."""
    reason = Retry(exc=outcome.error, when=countdown)
    logger.info("Task %s[%s] retry: %s", request.name, request.id, reason)
    # Without a traceback there is no record of an exception.
    with suppress(Retry):
        raise reason
    request.on_failure(ExceptionInfo((Retry, reason, reason.__traceback__)))
