"""Asking what redeeming would be answered."""

from sqlalchemy.orm import Session

from models.base import new_id, read_one_snapshot
from models.voucher import see_vouchers
from tasks.hold_answers import validation_answer
from tasks.hold_messages import Validate
from tasks.locked_vouchers import take_vouchers
from tasks.messages import Redeem
from tasks.redemption_batch import Batch
from tasks.wire import Answer, contract_task
from worker.db import run_in_transaction


@contract_task("redemptions.validate", message=Validate)
def validate(request: Validate) -> Answer:
    """This task will answer what redeeming would be answered now, and write nothing."""
    return run_in_transaction(lambda session: validate_redemption(session, request))


def validate_redemption(session: Session, request: Validate) -> Answer:
    """This function will decide the request as `redeem_all` would, without a lock and on one state of the database.

    It promises nothing about the next moment: whoever needs the place then reserves it.
    """
    read_one_snapshot(session)
    redeem = _as_redeem(request)
    taken = take_vouchers(session, [redeem], take=see_vouchers)
    batch = Batch.seen(session, [redeem], taken=taken)
    (voucher,), (code,) = taken
    answer = batch.decide(redeem, voucher, code, fingerprint=redeem.fingerprint())
    return validation_answer(redeem, answer=answer, request_id=request.request_id)


def _as_redeem(request: Validate) -> Redeem:
    # An id of the moment: nothing was ever answered under it.
    request_id = request.request_id or f"validation-{new_id()}"
    return Redeem.model_validate({**request.model_dump(mode="json", exclude_defaults=True), "request_id": request_id})
