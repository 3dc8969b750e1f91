"""List vouchers, newest first, in pages."""

from sqlalchemy.orm import Session

from models.codes.text_holders import find_carriers
from models.vouchers.listing import VoucherListing, newer, older
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.messages import ListVouchers
from tasks.wire.answers import Answer
from tasks.wire.pages import page_answer
from tasks.wire.task import contract_task
from worker.database import transaction


@contract_task("vouchers.list", message=ListVouchers)
def list_(request: ListVouchers) -> Answer:
    """This task will answer a page of the project's vouchers, and where the next and the previous one begin."""
    with transaction() as session:
        return list_vouchers(session, request)


def list_vouchers(session: Session, request: ListVouchers) -> Answer:
    """This function will answer a page of the project's vouchers."""
    ids = None if request.code is None else find_carriers(session, project=request.project, code=request.code)
    listing = VoucherListing(project=request.project, statuses=frozenset(request.status), ids=ids)
    return page_answer(
        request,
        prefix="vou",
        item=voucher_answer,
        older=lambda than, limit: older(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer(session, listing=listing, than=than, limit=limit),
    )
