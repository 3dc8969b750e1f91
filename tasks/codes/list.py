"""List the codes of a voucher in pages, newest first."""

from sqlalchemy.orm import Session

from models.codes.listing import CodeListing, CodeStatus, newer_codes, older_codes
from models.vouchers.look_up import find_voucher
from models.vouchers.row_types import ShownVoucherRow
from tasks.codes.answers import code_answer
from tasks.codes.messages import ListCodes
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("codes.list", message=ListCodes, first_answer=AnswerTable.READS)
def list_(request: ListCodes) -> Answer:
    """Return a page of the codes of a voucher, with the cursors of the neighbouring pages."""
    with transaction() as session:
        return list_codes(session, request)


def list_codes(session: Session, request: ListCodes) -> Answer:
    """Return a page of the codes of a voucher. Raises NotFound if the voucher does not exist."""
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    listing = CodeListing(
        project=voucher.project, voucher_id=voucher.id, statuses=_own_statuses(request.status, voucher=voucher)
    )
    return page_answer(
        request,
        prefix="voc",
        item=lambda row: code_answer(row, voucher=voucher),
        older=lambda than, limit: older_codes(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_codes(session, listing=listing, than=than, limit=limit),
    )


def _own_statuses(shown: list[CodeStatus], *, voucher: ShownVoucherRow) -> frozenset[CodeStatus]:
    # All codes of a retired voucher are shown as retired, whatever their own status.
    if voucher.retired_reason is None:
        return frozenset(shown)
    return frozenset(CodeStatus) if CodeStatus.RETIRED in shown else frozenset()
