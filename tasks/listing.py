"""Listing vouchers, newest first, a page at a time."""

from sqlalchemy.orm import Session

from models.voucher_list import Listing, find_carriers, newer, older
from tasks.answers import voucher_answer
from tasks.fields import type_id
from tasks.voucher_messages import ListVouchers
from tasks.wire import Answer, contract_task
from worker.db import transaction


@contract_task("vouchers.list", message=ListVouchers)
def list_(request: ListVouchers) -> Answer:
    """This task will answer a page of the project's vouchers, and where the next and the previous one begin."""
    with transaction() as session:
        return list_vouchers(session, request)


def list_vouchers(session: Session, request: ListVouchers) -> Answer:
    """This function will return the page after or before the given position, or the first one.

    A page keeps its place whatever is created meanwhile: the positions are ids, and new ones are higher.
    """
    ids = None if request.code is None else find_carriers(session, project=request.project, code=request.code)
    listing = Listing(project=request.project, statuses=frozenset(request.status), ids=ids)
    if request.before is not None:
        rows = newer(session, listing=listing, than=request.before, limit=request.limit)
    else:
        rows = older(session, listing=listing, than=request.after, limit=request.limit)
    more_after = rows and older(session, listing=listing, than=rows[-1].id, limit=1)
    more_before = rows and newer(session, listing=listing, than=rows[0].id, limit=1)
    return {
        "object": "list",
        "items": [voucher_answer(row) for row in rows],
        "moreItemsAfter": type_id("vou", rows[-1].id) if more_after else None,
        "moreItemsBefore": type_id("vou", rows[0].id) if more_before else None,
    }
