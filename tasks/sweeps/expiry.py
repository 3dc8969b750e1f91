"""The sweep: it retires and completes whatever is due now, and changes no answer about money."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from models.base import read_clock
from models.expiry import complete_over, lapse_due, retire_expired, retire_expired_codes, retire_full, retire_full_codes
from tasks.sweeps.messages import Sweep
from tasks.wire.answers import Answer
from tasks.wire.task import contract_task
from worker.database import transaction
from worker.settings import settings


@contract_task("expiry.sweep", message=Sweep)
def sweep(_request: Sweep) -> Answer:
    """This task will retire the vouchers and codes that are due, and complete the discounts whose window is over."""
    return sweep_all(batch_size=settings().sweep_batch_size)


def sweep_all(*, batch_size: int) -> Answer:
    """This function will work through what is due in batches, each its own transaction, and count what it did.

    Rows that somebody else holds are left for the next run; late, doubled, missed or interrupted runs leave
    the same end state.
    """

    def expired(session: Session) -> int:
        return retire_expired(session, now=read_clock(session), batch_size=batch_size)

    def full(session: Session) -> int:
        return retire_full(session, now=read_clock(session), batch_size=batch_size)

    def over(session: Session) -> int:
        return complete_over(session, today=read_clock(session).date(), batch_size=batch_size)

    def codes_expired(session: Session) -> int:
        return retire_expired_codes(session, now=read_clock(session), batch_size=batch_size)

    def codes_full(session: Session) -> int:
        return retire_full_codes(session, now=read_clock(session), batch_size=batch_size)

    def lapsed(session: Session) -> int:
        return lapse_due(session, now=read_clock(session), batch_size=batch_size)

    return {
        "object": "sweep",
        "expired": _until_done(expired, batch_size=batch_size),
        "maxRedemptionsReached": _until_done(full, batch_size=batch_size),
        "completed": _until_done(over, batch_size=batch_size),
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
