"""Retire a code by hand."""

from sqlalchemy.orm import Session

from domain.code import CodeRetiredReason, CodeRetirement, retirement_by_clock
from models.base import read_clock
from models.codes.look_up import find_code
from models.codes.retirement import retire_codes, retire_taken_over
from models.vouchers.look_up import find_voucher, lock_vouchers
from tasks.codes.answers import code_answer
from tasks.codes.messages import CodeReference
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.task import contract_task
from worker.database import transaction


@contract_task("codes.retire", message=CodeReference)
def retire(request: CodeReference) -> Answer:
    """This task will end new redemptions by a code. What was granted by it runs on."""
    with transaction() as session:
        return retire_code(session, request)


def retire_code(session: Session, request: CodeReference) -> Answer:
    """This function will retire the code, or leave it as it is where it was retired by itself before.

    One that has expired already is retired as that, as a sweep would have done it: the first reason stays. One
    that is retired with its voucher, or lost its text meanwhile, stays retired when its voucher comes back.
    Raises NotFound where there is no such code.
    """
    code = found(find_code(session, project=request.project, id=request.code), "code")
    lock_vouchers(session, keys=[(code.project, code.voucher_id)])
    now = read_clock(session)
    end = retirement_by_clock(expires_at=code.expires_at, voucher_expires_at=None, now=now)
    by_hand = CodeRetirement(reason=CodeRetiredReason.MANUAL_ACTION, at=now)
    retire_codes(session, retirements={(code.project, code.id): end or by_hand})
    retire_taken_over(session, project=code.project, id=code.id, now=now)
    retired = found(find_code(session, project=request.project, id=request.code), "code")
    voucher = found(find_voucher(session, project=code.project, id=code.voucher_id), "voucher")
    return code_answer(retired, voucher=voucher)
