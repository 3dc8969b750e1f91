"""Asking what redeeming would be answered."""

from sqlalchemy.orm import Session

from models.base import new_id, read_one_snapshot
from models.vouchers.look_up import see_vouchers
from tasks.redemptions.answers import validation_answer
from tasks.redemptions.batch import RedemptionBatch
from tasks.redemptions.batch_vouchers import look_up_vouchers
from tasks.redemptions.messages import Redeem, Validate
from tasks.wire.answers import Answer
from tasks.wire.task import contract_task
from worker.database import run_in_transaction


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
    vouchers_and_codes = look_up_vouchers(session, [redeem], take=see_vouchers)
    batch = RedemptionBatch.seen(session, [redeem], vouchers_and_codes=vouchers_and_codes)
    (voucher,), (code,) = vouchers_and_codes
    answer = batch.decide(redeem, voucher, code, fingerprint=redeem.fingerprint())
    return validation_answer(redeem, answer=answer, request_id=request.request_id)


def _as_redeem(request: Validate) -> Redeem:
    # An id of the moment: nothing was ever answered under it.
    request_id = request.request_id or f"validation-{new_id()}"
    return Redeem.model_validate({**request.model_dump(mode="json", exclude_defaults=True), "request_id": request_id})
