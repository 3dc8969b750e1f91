"""Retrieve a voucher."""

from sqlalchemy.orm import Session

from models.vouchers.look_up import find_voucher
from tasks.intake.task import contract_task
from tasks.vouchers.amounts import shown_voucher
from tasks.vouchers.messages import VoucherReference
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("vouchers.retrieve", message=VoucherReference, first_answer=AnswerTable.READS)
def retrieve(request: VoucherReference) -> Answer:
    """Return a voucher."""
    with transaction() as session:
        return retrieve_voucher(session, request)


def retrieve_voucher(session: Session, request: VoucherReference) -> Answer:
    """Return a voucher. Raises NotFound if there is no such voucher."""
    return shown_voucher(session, found(find_voucher(session, project=request.project, id=request.voucher), "voucher"))
