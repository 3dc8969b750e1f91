"""Confirm a hold: redeem the place that is held."""

from sqlalchemy.orm import Session

from domain.hold import HoldStatus
from models.base import StoredRow
from models.codes.look_up import find_code
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.batch_codes import BatchCode, batch_code
from tasks.redemptions.batch_vouchers import BatchVoucher
from tasks.redemptions.hold_answers import released_answer
from tasks.redemptions.hold_requests import redemption_request_of
from tasks.redemptions.messages import HoldReference
from tasks.redemptions.named_hold import SETTLED, lock_hold, redemption_under
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.task import contract_task
from worker.database import run_in_transaction


@contract_task("redemptions.confirm", message=HoldReference)
def confirm(request: HoldReference) -> Answer:
    """This task will redeem what is held."""
    return run_in_transaction(lambda session: confirm_hold(session, request))


def confirm_hold(session: Session, reference: HoldReference) -> Answer:
    """This function will redeem under the hold's request id, once, and answer as redeeming does.

    An open hold is honoured whatever became of the voucher since; one that has lapsed or was replaced is decided
    as a new request. A refusal for good gives the place back. Raises NotFound where there is no such hold.
    """
    hold, voucher = lock_hold(session, reference)
    request = redemption_request_of(hold)
    fingerprint = request.fingerprint()
    code = code_of_hold(session, hold, voucher=voucher)
    batch = RedemptionBatch.locked(session, [request], vouchers_and_codes=([voucher], [code]))
    if hold.status == HoldStatus.RELEASED:
        stored = batch.replay(request, fingerprint=fingerprint)
        return stored or released_answer(hold, at=batch.decided_at)
    answer = batch.decide(request, voucher, code, fingerprint=fingerprint)
    redemption = next(iter(batch.redemptions), None) or redemption_under(session, hold)
    is_over = hold.status != HoldStatus.OPEN or hold.expires_at <= batch.decided_at
    # Where something else was redeemed under its id, it is never confirmed. Else what is over stays as it is.
    if hold.status not in SETTLED and redemption is not None and not (is_over and redemption.reason):
        batch.end_hold(hold, redemption=redemption)
    batch.write(session)
    return answer


def code_of_hold(session: Session, hold: StoredRow, *, voucher: BatchVoucher) -> BatchCode | None:
    """Return the code that was held, whatever voucher its text names by now, or None if the voucher was named by id."""
    # The code that was held, whatever its text names by now.
    if hold.code_id is None:
        return None
    row = found(find_code(session, project=hold.project, id=hold.code_id), "code")
    return batch_code((hold.project, row.code), row, voucher=voucher.candidate)
