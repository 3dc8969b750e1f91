"""Retire a code by hand."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain.code_terms import CodeRetiredReason, CodeRetirement, retirement_by_clock
from domain.voucher_change import VoucherChangeKind
from models.base import read_clock
from models.codes.look_up import find_code
from models.codes.retirement import retire_codes, retire_without_text
from models.codes.row_types import CodeRow
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import find_voucher, lock_vouchers
from tasks.codes.answers import code_answer
from tasks.codes.messages import RetireCode
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("codes.retire", message=RetireCode, first_answer=AnswerTable.STATE)
def retire(request: RetireCode) -> Answer:
    """Retire a code, which can no longer be redeemed after that. Granted discounts stay."""
    with transaction() as session:
        return retire_code(session, request)


def retire_code(session: Session, request: RetireCode) -> Answer:
    """Retire a code, unless it is retired for a reason of its own already.

    An expired code is retired as expired, as if a sweep had come first. A code that is retired because of the voucher,
    or has lost the text, stays retired even if the voucher becomes available.
    Raises NotFound if the code does not exist.
    """
    code = found(find_code(session, project=request.project, id=request.code), "code")
    lock_vouchers(session, keys=[(code.project, code.voucher_id)])
    now = read_clock(session)
    end = retirement_by_clock(expires_at=code.expires_at, voucher_expires_at=None, now=now)
    by_hand = CodeRetirement(reason=CodeRetiredReason.MANUAL_ACTION, at=now)
    retire_codes(session, retirements={(code.project, code.id): end or by_hand})
    retire_without_text(session, project=code.project, id=code.id, now=now)
    retired = found(find_code(session, project=request.project, id=request.code), "code")
    voucher = found(find_voucher(session, project=code.project, id=code.voucher_id), "voucher")
    # If the code was retired before, it has kept that instant.
    if retired.retired_reason == CodeRetiredReason.MANUAL_ACTION and retired.retired_at == now:
        add_changes(session, _change_of(code, actor=request.actor, at=now))
    return code_answer(retired, voucher=voucher)


def _change_of(code: CodeRow, *, actor: str | None, at: datetime) -> NewChange:
    return NewChange(
        project=code.project,
        voucher_id=code.voucher_id,
        kind=VoucherChangeKind.CODE_RETIRED,
        actor=actor,
        created_at=at,
        code_id=code.id,
    )
