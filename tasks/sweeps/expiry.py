"""Retire, complete and lapse everything that is due. The sweep changes no answer about money."""

import time
from collections.abc import Callable
from datetime import timedelta

from celery.utils.log import get_logger
from pydantic.alias_generators import to_camel
from sqlalchemy.orm import Session

from models.base import read_clock
from models.redemptions.failed_attempts import forget_attempts
from models.sweeps.expiry import (
    complete_discounts,
    lapse_holds,
    retire_expired_codes,
    retire_expired_vouchers,
    retire_full,
    retire_full_codes,
)
from models.sweeps.recorded_sweep import COUNTS, begin_sweep, end_sweep, forget_sweeps
from tasks.intake.task import contract_task
from tasks.redemptions.attempts import window
from tasks.sweeps.messages import Sweep
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction
from worker.logs.json_lines import with_fields
from worker.settings import settings

logger = get_logger(__name__)

KEPT_FOR = timedelta(days=30)


@contract_task("expiry.sweep", message=Sweep, first_answer=AnswerTable.STATE)
def sweep(_request: Sweep) -> Answer:
    """Retire expired and full vouchers and codes, complete discounts whose window has ended, and lapse holds."""
    return record_sweep(batch_size=settings().sweep_batch_size)


def record_sweep(*, batch_size: int) -> Answer:
    """Sweep, and store when the run began and ended, with its counts. Runs older than 30 days are forgotten.

    An interrupted run leaves a row without an end.
    """
    started = time.monotonic()
    with transaction() as session:
        now = read_clock(session)
        run = begin_sweep(session, now=now)
    answer = sweep_all(batch_size=batch_size)
    with transaction() as session:
        end_sweep(session, run=run, counts={name: answer[to_camel(name)] for name in COUNTS})
        forget_sweeps(session, now=now, after=KEPT_FOR)
    log_sweep(answer, seconds=time.monotonic() - started)
    return answer


def log_sweep(answer: Answer, *, seconds: float) -> None:
    """Log the counts of a sweep, and how long it took."""
    counts = {name: answer[name] for name in map(to_camel, COUNTS)}
    shown = ", ".join(f"{name} {number}" for name, number in counts.items())
    fields = with_fields(event="sweep", counts=counts, seconds=round(seconds, 6))
    logger.info("a sweep took %.3f s: %s", seconds, shown, extra=fields)


def sweep_all(*, batch_size: int) -> Answer:
    """Work through everything that is due, in a transaction for each batch, and return the counts.

    Rows that are locked are left for the next run. A run that is late, repeated, missed or interrupted leads to the
    same end state.
    """

    def expired(session: Session) -> int:
        return retire_expired_vouchers(session, now=read_clock(session), batch_size=batch_size)

    def full(session: Session) -> int:
        return retire_full(session, now=read_clock(session), batch_size=batch_size)

    def completed(session: Session) -> int:
        return complete_discounts(session, now=read_clock(session), batch_size=batch_size)

    def codes_expired(session: Session) -> int:
        return retire_expired_codes(session, now=read_clock(session), batch_size=batch_size)

    def codes_full(session: Session) -> int:
        return retire_full_codes(session, now=read_clock(session), batch_size=batch_size)

    def lapsed(session: Session) -> int:
        return lapse_holds(session, now=read_clock(session), batch_size=batch_size)

    def forgotten(session: Session) -> int:
        return forget_attempts(session, until=read_clock(session) - window(), batch_size=batch_size)

    # They are not counted: nothing depends on them any more.
    _until_done(forgotten, batch_size=batch_size)
    return {
        "object": "sweep",
        "expired": _until_done(expired, batch_size=batch_size),
        "maxRedemptionsReached": _until_done(full, batch_size=batch_size),
        "completed": _until_done(completed, batch_size=batch_size),
        "codesExpired": _until_done(codes_expired, batch_size=batch_size),
        "codesMaxRedemptionsReached": _until_done(codes_full, batch_size=batch_size),
        "holdsLapsed": _until_done(lapsed, batch_size=batch_size),
    }


def _until_done(run_batch: Callable[[Session], int], *, batch_size: int) -> int:
    done = 0
    while True:
        with transaction() as session:
            count = run_batch(session)
        done += count
        if count < batch_size:
            return done
