"""The line of a batch in the log of its worker, with counts and no values of any request."""

import logging
from collections import Counter
from collections.abc import Iterable

from celery.utils.log import get_logger

from worker.intake.counted_outcomes import BatchOutcomes
from worker.logs.json_lines import with_fields

logger = get_logger(__name__)

RETRIED = "retried"


def log_batch(task: str, outcomes: BatchOutcomes, *, seconds: float, attempt: int) -> None:
    """Log how the messages of a batch have ended, how long that took, and how often they were tried.

    The numbers of the outcomes add up to the number of answers. An outcome without a reason has no part in the reasons.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    counts = outcomes.answers(task)
    counts.update({(RETRIED, cause): number for cause, number in outcomes.retried.items()})
    shown = ", ".join(" ".join(filter(None, (*names, str(number)))) for names, number in sorted(counts.items()))
    fields = {
        "task": task,
        "messages": outcomes.messages,
        "outcomes": _sums((outcome, number) for (outcome, _), number in counts.items()),
        "reasons": _sums((reason, number) for (_, reason), number in counts.items() if reason),
        "seconds": round(seconds, 6),
        "attempt": attempt,
    }
    logger.info(
        "%s: %d message%s in %.3f s, attempt %d: %s",
        task,
        outcomes.messages,
        "" if outcomes.messages == 1 else "s",
        seconds,
        attempt,
        shown,
        extra=with_fields(event="batch", **fields),
    )


def log_child_lost(task: str, error: BaseException, *, messages: int, attempt: int) -> None:
    """Log that the child of a batch has died, or was killed."""
    fields = with_fields(event="child_lost", task=task, messages=messages, attempt=attempt, error=type(error).__name__)
    logger.error("a child was lost with %d messages of %s: %r", messages, task, error, extra=fields)


def log_fault(task: str, error: BaseException, *, messages: int, attempt: int) -> None:
    """Log that a child could not return the outcomes of a batch. The error's text may quote values."""
    name = type(error).__name__
    fields = with_fields(event="batch_failed", task=task, messages=messages, attempt=attempt, error=name)
    logger.error("%d messages of %s have failed: %s", messages, task, name, extra=fields)


def _sums(numbers: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums = Counter[str]()
    for name, number in numbers:
        sums[name] += number
    return dict(sums)
