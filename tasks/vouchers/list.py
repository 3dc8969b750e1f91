"""List vouchers in pages, newest first."""

from sqlalchemy.orm import Session

from models.codes.text_holders import find_vouchers_with_code
from models.vouchers.filter import VoucherFilter
from models.vouchers.listing import VoucherListing, newer_vouchers, older_vouchers
from tasks.intake.task import contract_task
from tasks.vouchers.amounts import with_amounts
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.messages import ListVouchers, VoucherPage
from tasks.wire.answers import Answer
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("vouchers.list", message=ListVouchers, first_answer=AnswerTable.READS)
def list_(request: ListVouchers) -> Answer:
    """Return a page of the vouchers of a project, with the cursors of the neighbouring pages."""
    with transaction() as session:
        return list_vouchers(session, request, narrowed_by=request.filter())


def list_vouchers(session: Session, request: VoucherPage, *, narrowed_by: VoucherFilter) -> Answer:
    """Return a page of the vouchers of a project."""
    ids = None if request.code is None else find_vouchers_with_code(session, project=request.project, code=request.code)
    listing = VoucherListing(project=request.project, statuses=frozenset(request.status), ids=ids, filter=narrowed_by)
    page = page_answer(
        request,
        prefix="vou",
        item=voucher_answer,
        older=lambda than, limit: older_vouchers(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_vouchers(session, listing=listing, than=than, limit=limit),
    )
    return {**page, "items": with_amounts(session, page["items"], project=request.project)}
