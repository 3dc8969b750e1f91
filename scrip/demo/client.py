"""An ordinary Celery client, as in a billing system: it knows the names of tasks and queues only."""

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

from worker.broker.bulk_publishing import Outgoing, send_all

Json = dict[str, Any]

QUEUES = {"redemptions": "redemptions", "billing": "billing", "expiry": "sweeps"}
# Far longer than the slowest answer takes. A longer wait means a fault.
ANSWER_TIMEOUT_SECONDS = 60
# How often the stack is checked during the wait for an answer.
CHECK_SECONDS = 0.25
INVALID = "InvalidRequest"


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """A task, the task for many of these requests at once, and the number of requests in a bulk message."""

    one: str
    many: str
    key: str
    size: int


REDEEM = Bulk(one="redemptions.redeem", many="redemptions.redeem_many", key="requests", size=200)
# Three to five messages for a billing run, so that both children of the billing worker are busy.
APPLY = Bulk(one="billing.apply", many="billing.apply_many", key="invoices", size=400)


class Exchange(NamedTuple):
    """A line of the examples, with the `request` that was sent, and the answer."""

    line: Json
    answer: Json


class BulkMessage(NamedTuple):
    """The contents of a message: a single line, or several lines in bulk."""

    task: str
    request: Json
    lines: Sequence[Json]


def queue_of(task: str) -> str:
    """Return the queue of a task."""
    return QUEUES.get(task.partition(".")[0], "admin")


def messages(lines: Iterable[Json], bulk: Bulk) -> Iterator[BulkMessage]:
    """Pack lines into messages: each line marked `alone` by itself, runs of other lines in bulk."""
    waiting: list[Json] = []
    for line in lines:
        if line.get("alone"):
            yield BulkMessage(bulk.one, line["request"], [line])
        else:
            waiting.append(line)
        if len(waiting) == bulk.size:
            yield _packed(waiting, bulk)
            waiting = []
    if waiting:
        yield _packed(waiting, bulk)


def _packed(lines: Sequence[Json], bulk: Bulk) -> BulkMessage:
    return BulkMessage(bulk.many, {bulk.key: [line["request"] for line in lines]}, lines)


def repeated_answers(exchanges: Iterable[Exchange], key: str) -> Iterator[tuple[str, list[Json]]]:
    """Yield each caller's id that was used more than once, with all answers to it. Conflicts are left out."""

    def identity(each: Exchange) -> tuple[str, str]:
        return each.line["request"]["project"], each.line["request"][key]

    for (_, name), group in groupby(sorted(exchanges, key=identity), key=identity):
        answers = [each.answer for each in group if each.answer.get("reason") != "idempotency_conflict"]
        if len(answers) > 1:
            yield name, answers


class Client:
    """Sends requests through the broker and waits for their answers, with a progress bar.

    `check` is called a few times a second during a wait. An exception of `check` ends the wait.
    """

    def __init__(self, environment: Mapping[str, str], *, progress: Progress, check: Callable[[], None]) -> None:
        broker = environment.get("BROKER_URL", environment.get("PRODUCER_REDIS_URL", environment["REDIS_URL"]))
        backend = environment.get("RESULT_BACKEND_URL", environment.get("PRODUCER_REDIS_URL", environment["REDIS_URL"]))
        self._app = Celery("scrip-demo", broker=broker, backend=backend, set_as_current=False)
        self._progress = progress
        self._check = check

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._app.close()

    def ask(self, task: str, request: Json) -> Json:
        """Send a request and return the answer."""
        ((_, answer),) = self._ask_round([BulkMessage(task, request, ())])
        return answer

    def ask_all(self, description: str, *rounds: Iterable[BulkMessage]) -> list[Exchange]:
        """Send the messages in rounds, each after the answers to the round before. Return an exchange for each line."""
        outgoing = [list(messages_at_once) for messages_at_once in rounds]
        total = sum(len(message.lines) for messages_at_once in outgoing for message in messages_at_once)
        bar = self._progress.add_task(description, total=total)
        exchanges: list[Exchange] = []
        for messages_at_once in outgoing:
            for message, answer in self._ask_round(messages_at_once):
                items = answer["items"] if answer.get("object") == "list" else [answer]
                exchanges += [Exchange(*pair) for pair in zip(message.lines, items, strict=True)]
                self._progress.advance(bar, len(message.lines))
        return exchanges

    def _ask_round(self, outgoing: Sequence[BulkMessage]) -> Iterator[tuple[BulkMessage, Json]]:
        results = send_all(
            self._app, [Outgoing(each.task, each.request, {"queue": queue_of(each.task)}) for each in outgoing]
        )
        try:
            for message, result in zip(outgoing, results, strict=True):
                yield message, self._answer(result, message.task)
        finally:
            for result in results:
                # The destructor of a result contacts the server, which may have stopped by then.
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
    """Return the bars that show how many requests have been answered."""
    columns = TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console)
