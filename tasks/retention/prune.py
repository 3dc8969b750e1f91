"""Prune in bounded transactions. Without its setting, a kind of row is kept for ever."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from models.base import read_clock
from models.customers.erasure import forget_keys
from models.retention.pruning import (
    next_project,
    prune_answers,
    prune_dead_letters,
    prune_refused,
    prune_refused_holds,
)
from tasks.intake.task import contract_task
from tasks.retention.messages import Prune
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction
from worker.settings import Settings, settings

# Longer than any sender repeats a request.
KEYS_KEPT_FOR = timedelta(days=30)
# Deletes at most so many rows, and returns their number.
Step = Callable[..., int]


@contract_task("expiry.prune", message=Prune, first_answer=AnswerTable.STATE)
def prune(_request: Prune) -> Answer:
    """Delete refused requests, dead letters and stored answers that were kept as long as the settings say."""
    return prune_all(settings(), batch_size=settings().sweep_batch_size)


def prune_all(values: Settings, *, batch_size: int) -> Answer:
    """Prune every kind of row that has a setting, and delete the keys of erasures that ended 30 days ago."""
    now = run_in_transaction(read_clock)
    refused = _instant(now, days=values.keep_refused_days)
    letters = _instant(now, days=values.keep_dead_letters_days)
    answers = _instant(now, days=values.keep_answers_days)
    return {
        "object": "pruning",
        "refused": 0 if refused is None else _prune_refused(before=refused, batch_size=batch_size),
        "deadLetters": _prune(prune_dead_letters, before=letters, batch_size=batch_size),
        "answers": _prune(prune_answers, before=answers, batch_size=batch_size),
        "erasureKeys": run_in_transaction(partial(forget_keys, ended_before=now - KEYS_KEPT_FOR)),
    }


def _instant(now: datetime, *, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def _prune_refused(*, before: datetime, batch_size: int) -> int:
    count, project = 0, run_in_transaction(partial(next_project, after=""))
    while project is not None:
        count += _prune(partial(prune_refused, project=project), before=before, batch_size=batch_size)
        project = run_in_transaction(partial(next_project, after=project))
    return count + _prune(prune_refused_holds, before=before, batch_size=batch_size)


def _prune(step: Step, *, before: datetime | None, batch_size: int) -> int:
    """Run a step until it finds less than a whole batch, and return how many rows it deleted."""
    if before is None:
        return 0

    def in_transaction(session: Session) -> int:
        return step(session, before=before, limit=batch_size)

    count = changed = run_in_transaction(in_transaction)
    while changed == batch_size:
        changed = run_in_transaction(in_transaction)
        count += changed
    return count
