"""Retire a voucher by hand."""

from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from domain.voucher_change import VoucherChangeKind
from models.base import read_clock
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import find_voucher, lock_vouchers
from models.vouchers.writes import mark_retired
from tasks.intake.task import contract_task
from tasks.vouchers.amounts import shown_voucher
from tasks.vouchers.messages import RetireVoucher
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("vouchers.retire", message=RetireVoucher, first_answer=AnswerTable.STATE)
def retire(request: RetireVoucher) -> Answer:
    """Retire a voucher, which can no longer be redeemed after that. Granted discounts stay."""
    with transaction() as session:
        return retire_voucher(session, request)


def retire_voucher(session: Session, request: RetireVoucher) -> Answer:
    """Retire a voucher, unless it is retired already.

    An expired voucher is retired as expired, as if a sweep had come first. Raises NotFound if there is no such voucher.
    """
    key = (request.project, request.voucher)
    lock_vouchers(session, keys=[key])
    row = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    if row.retired_reason is not None:
        return shown_voucher(session, row)
    now = read_clock(session)
    if row.expires_at is not None and row.expires_at <= now:
        reason, retired_at = RetiredReason.EXPIRED, row.expires_at
    else:
        reason, retired_at = RetiredReason.MANUAL_ACTION, now
        kind = VoucherChangeKind.RETIRED
        change = NewChange(project=row.project, voucher_id=row.id, kind=kind, actor=request.actor, created_at=now)
        add_changes(session, change)
    retired = mark_retired(session, project=row.project, id=row.id, reason=reason, retired_at=retired_at)
    return shown_voucher(session, retired)
