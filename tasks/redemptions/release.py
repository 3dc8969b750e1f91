"""Release a hold: give the place back."""

from sqlalchemy.orm import Session

from domain.hold import FINAL_STATUSES, HoldStatus
from models.base import read_clock
from models.redemptions.hold import close_holds
from models.vouchers.counters import change_held
from tasks.intake.task import contract_task
from tasks.redemptions.hold_answers import hold_answer
from tasks.redemptions.hold_match import is_redeemed_by
from tasks.redemptions.messages import HoldReference
from tasks.redemptions.named_hold import lock_hold, redemption_under
from tasks.wire.answers import Answer
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


@contract_task("redemptions.release", message=HoldReference, first_answer=AnswerTable.STATE)
def release(request: HoldReference) -> Answer:
    """Release a hold, so that other requests can take the place."""
    return run_in_transaction(lambda session: release_hold(session, request))


def release_hold(session: Session, reference: HoldReference) -> Answer:
    """Release a hold once, and answer with the status: `released`, or `confirmed` if the hold was redeemed.

    Lapsed and replaced holds are released too, so that no later confirmation redeems them.
    Raises NotFound if there is no such hold.
    """
    hold, _ = lock_hold(session, reference)
    status = HoldStatus(hold.status)
    if status in FINAL_STATUSES:
        return hold_answer(hold, status=status)
    # The request of a hold that had lapsed or was replaced may have been redeemed since. Then the place is taken.
    redemption = redemption_under(session, hold)
    confirmed_by = redemption.id if redemption is not None and is_redeemed_by(hold, redemption) else None
    after = HoldStatus.CONFIRMED if confirmed_by else HoldStatus.RELEASED
    close_holds(session, closed=[(hold.project, hold.id, after, confirmed_by)], closed_at=read_clock(session))
    if status is HoldStatus.OPEN:
        change_held(session, changed=[(hold.project, hold.voucher_id, -1)])
    return hold_answer(hold, status=after)
