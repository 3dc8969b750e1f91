"""List the codes of a voucher, newest first, in pages."""

from sqlalchemy.orm import Session

from models.base import StoredRow
from models.codes.listing import CodeListing, CodeStatus, newer_codes, older_codes
from models.vouchers.look_up import find_voucher
from tasks.codes.answers import code_answer
from tasks.codes.messages import ListCodes
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.pages import page_answer
from tasks.wire.task import contract_task
from worker.database import transaction


@contract_task("codes.list", message=ListCodes)
def list_(request: ListCodes) -> Answer:
    """This task will answer a page of the voucher's codes, and where the next and the previous one begin."""
    with transaction() as session:
        return list_codes(session, request)


def list_codes(session: Session, request: ListCodes) -> Answer:
    """This function will answer a page of the voucher's codes. Raises NotFound where there is no such voucher."""
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


def _own_statuses(shown: list[CodeStatus], *, voucher: StoredRow) -> frozenset[CodeStatus]:
    # All codes of a retired voucher are shown as retired.
    if voucher.retired_reason is None:
        return frozenset(shown)
    return frozenset(CodeStatus) if CodeStatus.RETIRED in shown else frozenset()
