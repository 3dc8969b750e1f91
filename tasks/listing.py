"""Listing vouchers, newest first, a page at a time."""

from sqlalchemy.orm import Session

from models.voucher_list import Listing, find_carriers, newer, older
from tasks.answers import voucher_answer
from tasks.paging import page_answer
from tasks.voucher_messages import ListVouchers
from tasks.wire import Answer, contract_task
from worker.db import transaction


@contract_task("vouchers.list", message=ListVouchers)
def list_(request: ListVouchers) -> Answer:
    """This task will answer a page of the project's vouchers, and where the next and the previous one begin."""
    with transaction() as session:
        return list_vouchers(session, request)


def list_vouchers(session: Session, request: ListVouchers) -> Answer:
    """This function will answer a page of the project's vouchers."""
    ids = None if request.code is None else find_carriers(session, project=request.project, code=request.code)
    listing = Listing(project=request.project, statuses=frozenset(request.status), ids=ids)
    return page_answer(
        request,
        prefix="vou",
        item=voucher_answer,
        older=lambda than, limit: older(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer(session, listing=listing, than=than, limit=limit),
    )
