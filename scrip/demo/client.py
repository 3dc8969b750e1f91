"""An ordinary Celery client, as a billing system would have one: it knows the names of the tasks and the queues."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, Self

from celery import Celery
from celery.exceptions import TimeoutError as NoAnswerYet
from celery.result import AsyncResult
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.broker.publishing import Outgoing, send_all

Json = dict[str, Any]

QUEUES = {"redemptions": "redemptions", "billing": "billing", "expiry": "sweeps"}
# Far beyond what the slowest answer takes: who waits longer has met a fault.
ANSWER_TIMEOUT_SECONDS = 60
# How often the stack is looked after while an answer is waited for.
CHECK_SECONDS = 0.25
INVALID = "InvalidRequest"


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """This class will name a task, the one that takes many of its requests at once, and how many it is given here."""

    one: str
    many: str
    key: str
    size: int


REDEEM = Bulk(one="redemptions.redeem", many="redemptions.redeem_many", key="requests", size=200)
# Three to five messages for a billing run, so that both children of the billing worker have something to do.
APPLY = Bulk(one="billing.apply", many="billing.apply_many", key="invoices", size=400)


class Exchange(NamedTuple):
    """This class will hold a line of the examples (its `request` was sent) and the answer that came."""

    line: Json
    answer: Json


class BulkMessage(NamedTuple):
    """This class will hold what travels in one message: a line alone, or several in bulk."""

    task: str
    request: Json
    lines: Sequence[Json]


def queue_of(task: str) -> str:
    """This function will return the queue that a task is sent to."""
    return QUEUES.get(task.partition(".")[0], "admin")


def messages(lines: Iterable[Json], bulk: Bulk) -> Iterator[BulkMessage]:
    """This function will pack lines into messages: those marked `alone` one by one, runs of the others in bulk."""
    waiting: list[Json] = []
    for line in lines:
        if line.get("alone"):
            yield BulkMessage(bulk.one, line["request"], [line])
        else:
            waiting.append(line)
        if len(waiting) == bulk.size:
            yield packed(waiting, bulk)
            waiting = []
    if waiting:
        yield packed(waiting, bulk)


def packed(lines: Sequence[Json], bulk: Bulk) -> BulkMessage:
    """This function will put many lines into one message."""
    return BulkMessage(bulk.many, {bulk.key: [line["request"] for line in lines]}, lines)


def alike(answered: Iterable[Exchange], key: str) -> Iterator[tuple[str, list[Json]]]:
    """This function will yield the answers that came to each of the callers' ids which were used more than once."""

    def identity(each: Exchange) -> tuple[str, str]:
        return each.line["request"]["project"], each.line["request"][key]

    for (_, name), group in groupby(sorted(answered, key=identity), key=identity):
        answers = [each.answer for each in group if each.answer.get("reason") != "idempotency_conflict"]
        if len(answers) > 1:
            yield name, answers


class Client:
    """This class will send requests through the broker and wait for their answers, behind a progress bar.

    `check` is called a few times a second while it waits; what it raises ends the wait.
    """

    def __init__(self, environment: Mapping[str, str], *, progress: Progress, check: Callable[[], None]) -> None:
        broker = environment.get("BROKER_URL", environment["REDIS_URL"])
        backend = environment.get("RESULT_BACKEND_URL", environment["REDIS_URL"])
        self._app = Celery("scrip-demo", broker=broker, backend=backend, set_as_current=False)
        self._progress = progress
        self._check = check

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._app.close()

    def ask(self, task: str, request: Json) -> Json:
        """This function will send one request and return its answer."""
        ((_, answer),) = self._ask_round([BulkMessage(task, request, ())])
        return answer

    def ask_all(self, description: str, *rounds: Iterable[BulkMessage]) -> list[Exchange]:
        """This function will send the messages of each round at once, a round when the one before it is answered.

        It returns the answers line by line.
        """
        outgoing = [list(messages_at_once) for messages_at_once in rounds]
        total = sum(len(message.lines) for messages_at_once in outgoing for message in messages_at_once)
        bar = self._progress.add_task(description, total=total)
        answered: list[Exchange] = []
        for messages_at_once in outgoing:
            for message, answer in self._ask_round(messages_at_once):
                items = answer["items"] if answer.get("object") == "list" else [answer]
                answered += [Exchange(*pair) for pair in zip(message.lines, items, strict=True)]
                self._progress.advance(bar, len(message.lines))
        return answered

    def _ask_round(self, outgoing: Sequence[BulkMessage]) -> Iterator[tuple[BulkMessage, Json]]:
        results = send_all(
            self._app, [Outgoing(each.task, each.request, {"queue": queue_of(each.task)}) for each in outgoing]
        )
        try:
            for message, result in zip(outgoing, results, strict=True):
                yield message, self._answer(result, message.task)
        finally:
            for result in results:
                # Its destructor would tell a server about it that may be gone by then.
                result.backend = None

    def _answer(self, result: AsyncResult, task: str) -> Json:
        answer = self._wait(result, task)
        if type(answer).__name__ == INVALID:
            return {"outcome": "invalid", "errors": str(answer)}
        if isinstance(answer, BaseException):
            raise SystemExit(f"scrip demo: {task} failed: {answer!r}")
        return dict(answer)

    def _wait(self, result: AsyncResult, task: str) -> Any:
        deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self._check()
            with suppress(NoAnswerYet):
                return result.get(timeout=CHECK_SECONDS, propagate=False)
        raise SystemExit(f"scrip demo: no answer to {task} within {ANSWER_TIMEOUT_SECONDS} seconds")


def progress_bars(console: Console) -> Progress:
    """This function will return the bars that show how many requests have been answered."""
    columns = TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console)
