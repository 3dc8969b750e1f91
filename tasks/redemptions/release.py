"""Release a hold: give the place back."""

from sqlalchemy.orm import Session

from domain.hold import HoldStatus
from models.base import read_clock
from models.redemptions.hold import close_holds
from models.vouchers.counters import change_held
from tasks.redemptions.hold_answers import hold_answer
from tasks.redemptions.hold_requests import is_redeemed_by
from tasks.redemptions.messages import HoldReference
from tasks.redemptions.named_hold import SETTLED, lock_hold, redemption_under
from tasks.wire.answers import Answer
from tasks.wire.task import contract_task
from worker.database import run_in_transaction


@contract_task("redemptions.release", message=HoldReference)
def release(request: HoldReference) -> Answer:
    """This task will give a place back."""
    return run_in_transaction(lambda session: release_hold(session, request))


def release_hold(session: Session, reference: HoldReference) -> Answer:
    """This function will give the place back once, and answer what the hold is then: confirmed if it was redeemed.

    What has lapsed or was replaced is released too, so that no later confirmation redeems it.
    Raises NotFound where there is no such hold.
    """
    hold, _ = lock_hold(session, reference)
    status = HoldStatus(hold.status)
    if status in SETTLED:
        return hold_answer(hold, status=status)
    redemption = redemption_under(session, hold)
    # It had lapsed or was replaced when its request was redeemed after all: the place is spent.
    spent_by = redemption.id if redemption is not None and is_redeemed_by(hold, redemption) else None
    after = HoldStatus.CONFIRMED if spent_by else HoldStatus.RELEASED
    close_holds(session, closed=[(hold.project, hold.id, after, spent_by)], closed_at=read_clock(session))
    if status is HoldStatus.OPEN:
        change_held(session, changed=[(hold.project, hold.voucher_id, -1)])
    return hold_answer(hold, status=after)
