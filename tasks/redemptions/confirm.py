"""Confirm a hold: redeem the held place."""

from sqlalchemy.orm import Session

from domain.hold import FINAL_STATUSES, HoldStatus
from models.codes.look_up import find_code
from models.redemptions.row_types import AcceptedHoldRow
from tasks.intake.task import contract_task
from tasks.redemptions.answers import hold_released_answer, redemption_answer
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.batch_vouchers import BatchCode, BatchVoucher
from tasks.redemptions.hold_match import redemption_request_of
from tasks.redemptions.look_up import Claim
from tasks.redemptions.messages import HoldReference
from tasks.redemptions.named_hold import lock_hold, redemption_under
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


@contract_task("redemptions.confirm", message=HoldReference, first_answer=AnswerTable.REDEMPTIONS)
def confirm(request: HoldReference) -> Answer:
    """Redeem the place that a hold keeps."""
    return run_in_transaction(lambda session: confirm_hold(session, request))


def confirm_hold(session: Session, reference: HoldReference) -> Answer:
    """Redeem a hold's request under its request id, once, and answer as `redemptions.redeem` does.

    An open hold is honoured, whatever has become of its voucher since. A hold that has lapsed or was replaced is
    decided as a new request. Raises NotFound if there is no such hold.
    """
    hold, voucher = lock_hold(session, reference)
    # After the erasure of the customer, the bodies of hold and redemption can no longer be compared.
    if hold.status == HoldStatus.CONFIRMED and (confirmed := redemption_under(session, hold)) is not None:
        return redemption_answer(confirmed)
    claim = _claim_of(session, hold, voucher=voucher)
    batch = RedemptionBatch.lock(session, [claim])
    if hold.status == HoldStatus.RELEASED:
        return batch.replay(claim) or hold_released_answer(hold, at=batch.decided_at)
    answer = batch.decide(claim)
    batch.name_other_discounts(session)
    redemption = next(iter(batch.redemptions), None) or redemption_under(session, hold)
    is_over = hold.status != HoldStatus.OPEN or hold.expires_at <= batch.decided_at
    # A lapsed or replaced hold that is refused keeps its status. Otherwise a final decision closes the hold, even if
    # the decision was another redemption under the same id.
    if hold.status not in FINAL_STATUSES and redemption is not None and not (is_over and redemption.reason):
        batch.end_hold(hold, redemption=redemption)
    batch.write(session)
    return answer


def _claim_of(session: Session, hold: AcceptedHoldRow, *, voucher: BatchVoucher) -> Claim:
    request = redemption_request_of(hold)
    code = None
    if hold.code_id is not None:
        # By id, because the text may have gone to another voucher since the hold.
        row = found(find_code(session, project=hold.project, id=hold.code_id), "code")
        code = BatchCode.from_row(row, voucher=voucher)
    return Claim(request, fingerprint=request.fingerprint(), voucher=voucher, code=code)
