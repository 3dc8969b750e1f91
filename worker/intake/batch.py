"""A batch of messages, from the worker to a child and back.

The child returns an outcome for each message, and the worker ends each in Celery's life cycle, which acknowledges it.
If the child dies, another child gets the batch. A message that is not ended stays with the broker.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Any, Protocol

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import Task, current_app
from celery.worker.request import Request

from worker.connection_work import take_spent
from worker.intake.counted_outcomes import CHILD_LOST, UNDECIDED, count_batch, count_lost, outcomes_of
from worker.intake.delivery import Decided, Delivery, Fate, Outcome
from worker.intake.logged_batch import log_batch, log_child_lost, log_fault
from worker.intake.requested_delivery import delivery_of
from worker.intake.spans import span_of_batch
from worker.intake.unended import postpone, put_back
from worker.settings import settings

# A sweep or a generation of codes may take minutes. A child that takes longer is stuck.
LONG_SECONDS_MAX = 3_600
# A sender's own limit is not shorter: a flood of short ones would keep the worker busy with killing children.
OWN_SECONDS_MIN = 1
AWAITING = (Fate.AWAIT_SERVERS, Fate.AWAIT_CONNECTION)


class BatchGatherer(Protocol):
    """The gatherer of a batch, as the batch uses it."""

    task: Task
    consumer: Any
    pool: Any

    def is_open(self) -> bool:
        """Return whether batches may start."""

    def run_again(self, batch: "Batch") -> None:
        """Run a batch again as soon as a child is free."""

    def add_later(self, request: Request, seconds: float) -> None:
        """Let a request wait for that time."""

    def await_servers(self, batch: "Batch", found: Outcome) -> None:
        """Run a batch again when the servers are back."""

    def on_batch_ended(self, batch: "Batch", *, found_servers: bool | None) -> None:
        """Note that a batch is no longer running, and whether it found the servers, if that is known."""


def decide_in_child(name: str, deliveries: Sequence[Delivery], child_death: str) -> Decided:
    """Decide a batch of the task with that name. The pool calls this in a child."""
    with span_of_batch(name, deliveries) as span:
        outcomes: list[Outcome] = current_app.tasks[name].decide_batch(deliveries, child_death)
        if span is not None:
            span.note(outcomes)
    return Decided(outcomes, take_spent())


class Batch:
    """Requests that are decided together. Copies of a message are decided once, and every copy is ended."""

    # How often in a row its connection to the database was lost.
    losses = 0
    # How often it was sent to a child, or a batch was of which it is a part.
    attempt = 1
    # When it was sent to its child, by the monotonic clock.
    sent_at = 0.0

    def __init__(self, *, gatherer: BatchGatherer, requests: Iterable[Request], child_death: str = "") -> None:
        """Group the copies of each message.

        `child_death` says how the child died that ran the requests before, or is empty.
        """
        self.gatherer = gatherer
        self.task = gatherer.task
        self.child_death = child_death
        copies: dict[tuple[str, Any], list[Request]] = {}
        for request in requests:
            copies.setdefault((request.id, request.message.body), []).append(request)
        self.copies = list(copies.values())

    @property
    def requests(self) -> list[Request]:
        """All requests of the batch, copies included."""
        return [request for copies in self.copies for request in copies]

    def without_revoked(self) -> "Batch | None":
        """Return the batch without the requests that were revoked or have expired, or None if no request is left."""
        # Acknowledgement point: Celery's `revoked` acknowledges a message that was revoked or has expired.
        left = [request for request in self.requests if not request.revoked()]
        return self.part(left) if left else None

    def part(self, requests: Iterable[Request]) -> "Batch":
        """Return a batch of some of the requests."""
        part = Batch(gatherer=self.gatherer, requests=requests, child_death=self.child_death)
        part.losses, part.attempt = self.losses, self.attempt
        return part

    def divided(self) -> "list[Batch]":
        """Return the batch in two parts, of which the first has one message, or in one if it has no more."""
        first, rest = self.copies[0], [request for copies in self.copies[1:] for request in copies]
        return [self.part(each) for each in (first, rest) if each]

    def send(self) -> bool:
        """Send the batch to a child, and return whether there was a child."""
        deliveries = [delivery_of(copies[0], is_suspect=bool(self.child_death)) for copies in self.copies]
        self.sent_at = monotonic()
        result = self.gatherer.pool.apply_async(
            decide_in_child,
            args=(self.task.name, deliveries, self.child_death),
            accept_callback=self.on_accepted,
            callback=self.on_decided,
            error_callback=self.on_fault,
            timeout=self.time_limit(),
        )
        return result is not None

    def time_limit(self) -> float:
        """Return the time in seconds after which the child is killed.

        A sender may set a limit for a message, which is then alone in its batch.
        """
        limits = [limit for request in self.requests if (limit := own_time_limit(request))]
        if limits:
            return min(limits)
        return settings().batch_time_limit_seconds if self.task.is_gathered else LONG_SECONDS_MAX

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Tell Celery that each request has started, in the child with that process id."""
        with ExitStack() as each_of_them:
            for request in self.requests:
                each_of_them.callback(request.on_accepted, pid, time_accepted)

    def on_decided(self, decided: Decided) -> None:
        """Count and log the batch, and end its requests."""
        with ExitStack() as afterwards:
            # Whatever happens to a count, the messages are ended.
            afterwards.callback(self.on_outcomes, decided.outcomes)
            outcomes = outcomes_of(zip(map(len, self.copies), decided.outcomes, strict=True))
            seconds = monotonic() - self.sent_at
            count_batch(self.task.name, outcomes, seconds=seconds, work=decided.work)
            log_batch(self.task.name, outcomes, seconds=seconds, attempt=self.attempt)

    def on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """End each request by its outcome. An error over a request does not keep the others from being ended."""
        found_servers = all(each.fate not in AWAITING for each in outcomes)
        with ExitStack() as each_of_them:
            each_of_them.callback(self.gatherer.on_batch_ended, self, found_servers=found_servers)
            waiting: list[Request] = []
            for copies, outcome in zip(self.copies, outcomes, strict=True):
                for request in copies:
                    match outcome.fate:
                        case Fate.AWAIT_SERVERS | Fate.AWAIT_CONNECTION:
                            waiting.append(request)
                        case Fate.TRY_AGAIN:
                            each_of_them.callback(postpone, request, outcome.error, add_later=self.gatherer.add_later)
                        case _:
                            each_of_them.callback(end_message, request, outcome)
            if waiting:
                found = next(each for each in outcomes if each.fate in AWAITING)
                again = self.part(waiting)
                again.losses = self.losses + 1 if found.fate is Fate.AWAIT_CONNECTION else 0
                again.attempt += 1
                each_of_them.callback(self.gatherer.await_servers, again, found)

    def on_fault(self, fault: ExceptionInfo) -> None:
        """End the requests or run them again, after the batch failed as a whole."""
        with ExitStack() as afterwards:
            afterwards.callback(self.gatherer.on_batch_ended, self, found_servers=None)
            self.end_or_run_again(fault)

    def end_or_run_again(self, fault: ExceptionInfo) -> None:
        """End revoked requests, run the requests of a dead child again, or divide the batch after another error."""
        error = fault.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, Terminated):
            self.end_revoked(fault)
        elif isinstance(error, (WorkerLostError, TimeLimitExceeded, SystemExit, KeyboardInterrupt)):
            log_child_lost(self.task.name, error, messages=len(self.copies), attempt=self.attempt)
            count_lost(self.task.name, messages=len(self.requests), cause=CHILD_LOST)
            self.run_again(self.requests, child_death=f"{type(error).__name__}: its process ended")
        else:
            log_fault(self.task.name, error, messages=len(self.copies), attempt=self.attempt)
            self.run_halves_again(error)

    def run_halves_again(self, error: Any) -> None:
        """Run each half of the messages again, so that only the message at fault is postponed in the end."""
        if len(self.copies) == 1:
            count_lost(self.task.name, messages=len(self.requests), cause=UNDECIDED)
            for request in self.requests:
                postpone(request, error, add_later=self.gatherer.add_later)
            return
        middle = len(self.copies) // 2
        for half in (self.copies[:middle], self.copies[middle:]):
            self.run_again([request for copies in half for request in copies], child_death=self.child_death)

    def end_revoked(self, fault: ExceptionInfo) -> None:
        """End the requests that an operator revoked by terminating the child, and run the others again."""
        revoked = [each for each in self.requests if each._already_revoked or each._already_cancelled]  # noqa: SLF001
        for request in revoked:
            # Not an acknowledgement: Celery acknowledged a revoked message when it was revoked. A message that Celery
            # cancelled, after the loss of the connection, stays with the broker.
            request.on_failure(fault)
        self.run_again([each for each in self.requests if each not in revoked], child_death=self.child_death)

    def run_again(self, requests: Sequence[Request], *, child_death: str) -> None:
        """Run the requests in another child, or put them back if the worker is stopping."""
        if not requests:
            return
        if self.gatherer.is_open():
            again = Batch(gatherer=self.gatherer, requests=requests, child_death=child_death)
            again.attempt = self.attempt + 1
            self.gatherer.run_again(again)
        else:
            put_back(requests)


def own_time_limit(request: Request) -> float | None:
    """Return the hard time limit in seconds that the sender set for a message, at least 1, or None.

    A soft limit is not used: its exception could interrupt a COMMIT.
    """
    hard, _ = request.time_limits or (None, None)
    return max(hard, OWN_SECONDS_MIN) if hard else None


def end_message(request: Request, outcome: Outcome) -> None:
    """End a message that succeeded or failed.

    A message fails if its request is invalid, or if it was given up and is now a dead letter.
    """
    # Acknowledgement point: the effect is committed, or the failure is final.
    if outcome.fate is Fate.SUCCEEDED:
        request.on_success((False, outcome.shown, outcome.seconds))
    else:
        request.on_failure(outcome.error, return_ok=True)
