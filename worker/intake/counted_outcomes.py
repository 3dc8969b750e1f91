"""How the outcomes of a batch are counted: once for a batch, by what is shown of each answer, and by cause."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from billiard.einfo import ExceptionWithTraceback

from worker.connection_work import ConnectionWork
from worker.database_faults import sqlstate_of
from worker.intake.delivery import Fate, Outcome
from worker.metrics import definitions as metrics
from worker.metrics.counters import counters
from worker.schedule import AUDIT, SWEEP

# A part of what is shown: an outcome and perhaps a reason, or the name of a count; and perhaps a number.
PART = re.compile(r"(?P<word>\w+)(?: (?P<reason>[a-z]\w*))?(?: (?P<count>[0-9]+))?")
# What is shown of a page of a list.
ITEMS = "items"
READ, DONE, FAILED, OTHER = "read", "done", "failed", "other"
# The errors with which a task fails, as docs/contract.md names them.
ERRORS = frozenset({"InvalidRequest", "NotFound", "WrongQueue", "NotAllowed", "GivenUp", "Undecided"})
CHILD_LOST, UNDECIDED = "child_lost", "undecided"
CAUSES = {
    "40P01": "deadlock",
    "40001": "serialization",
    "55P03": "lock_timeout",
    "57014": "statement_timeout",
}


class ShownCount(NamedTuple):
    """An outcome, a reason or an empty text, and how many answers have them."""

    outcome: str
    reason: str
    number: int


class BatchOutcomes(NamedTuple):
    """How the messages of a batch have ended. Each text or name has its number of messages, copies included."""

    # What is shown of the answers.
    shown: Counter[str]
    # The errors of those that have failed.
    failed: Counter[str]
    # The causes for which the others are tried again.
    retried: Counter[str]
    # The reasons for which signatures were refused. These messages are among those that have failed.
    refused: Counter[str]

    @property
    def messages(self) -> int:
        """The number of messages."""
        return self.shown.total() + self.failed.total() + self.retried.total()

    def answers(self, task: str) -> Counter[tuple[str, str]]:
        """Return the number of answers of each outcome and reason. A bulk message has an answer for each item."""
        answers = Counter({(FAILED, name): number for name, number in self.failed.items()})
        for text, copies in self.shown.items():
            # What is shown of a sweep and of an audit are counts of other things.
            for each in (ShownCount(DONE, "", 1),) if task in {SWEEP, AUDIT} else counts_of(text):
                answers[each.outcome, each.reason] += each.number * copies
        return answers


def outcomes_of(ended: Iterable[tuple[int, Outcome]]) -> BatchOutcomes:
    """Return how the messages of a batch have ended, from each outcome with its number of copies."""
    found = BatchOutcomes(Counter(), Counter(), Counter(), Counter())
    # The messages with the same answer share their outcome, which is much quicker to compare by its identity.
    distinct: dict[int, Outcome] = {}
    copies_of = defaultdict[int, int](int)
    for copies, outcome in ended:
        distinct[id(outcome)] = outcome
        copies_of[id(outcome)] += copies
    for number, copies in copies_of.items():
        outcome = distinct[number]
        match outcome.fate:
            case Fate.SUCCEEDED:
                found.shown[outcome.shown] += copies
            case Fate.FAILED:
                found.failed[error_name(outcome.error)] += copies
                if outcome.shown:
                    found.refused[outcome.shown] += copies
            case _:
                found.retried[cause_of(outcome)] += copies
    return found


def count_batch(task: str, outcomes: BatchOutcomes, *, seconds: float, work: ConnectionWork) -> None:
    """Count a batch: its outcomes, how long it took, and its connection work."""
    if not counters:
        return
    counters.observe(metrics.BATCH_MESSAGES, outcomes.messages, task)
    counters.observe(metrics.BATCH_SECONDS, seconds, task)
    counters.observe(metrics.CONNECTION_WAIT_SECONDS, work.wait_seconds)
    if work.reruns:
        counters.add(metrics.TRANSACTION_RERUNS, work.reruns)
    for (outcome, reason), number in outcomes.answers(task).items():
        counters.add(metrics.ANSWERS, number, task, outcome, reason)
    for reason, copies in outcomes.refused.items():
        counters.add(metrics.MESSAGES_REFUSED, copies, reason)
    for cause, copies in outcomes.retried.items():
        counters.add(metrics.RETRIES, copies, task, cause)
    if task == SWEEP:
        for text, copies in outcomes.shown.items():
            for each in counts_of(text):
                counters.add(metrics.SWEPT_ROWS, each.number * copies, each.outcome)


def count_lost(task: str, *, messages: int, cause: str) -> None:
    """Count messages that run again because their child was lost, or could not return their outcomes."""
    counters.add(metrics.RETRIES, messages, task, cause)


def count_unrun(task: str, *, outcome: str) -> None:
    """Count a message that was revoked, has expired, or was terminated."""
    counters.add(metrics.ANSWERS, 1, task, outcome, "")


@lru_cache(maxsize=1_024)
def counts_of(shown: str) -> tuple[ShownCount, ...]:
    """Return the counts in what is shown of an answer, such as `refused already_applied` or `accepted 3, invalid 1`."""
    if shown.startswith(f"{ITEMS} "):
        return (ShownCount(READ, "", 1),)
    found = (PART.fullmatch(part) for part in shown.split(", "))
    return tuple(
        ShownCount(each["word"], each["reason"] or "", int(each["count"] or 1)) if each else ShownCount(OTHER, "", 1)
        for each in found
    )


def error_name(record: Any) -> str:
    """Return the name of the error in Celery's record of an exception, or `other` if the contract does not name it."""
    error = getattr(record, "exception", record)
    name = type(error.exc if isinstance(error, ExceptionWithTraceback) else error).__name__
    return name if name in ERRORS else OTHER


def cause_of(outcome: Outcome) -> str:
    """Return the cause for which a message is tried again."""
    if outcome.fate in {Fate.AWAIT_SERVERS, Fate.AWAIT_CONNECTION}:
        return "database_away"
    if type(outcome.error).__name__ == "Undecided":
        return UNDECIDED
    return CAUSES.get(sqlstate_of(outcome.error) or "", OTHER)
