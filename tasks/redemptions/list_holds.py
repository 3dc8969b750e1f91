"""List the holds of a customer, a subscription or a voucher."""

from sqlalchemy.orm import Session

from models.base import read_clock
from models.redemptions.hold_listing import HoldListing, newer_holds, older_holds
from tasks.intake.task import contract_task
from tasks.redemptions.hold_answers import hold_answer, status_at
from tasks.redemptions.messages import ListHolds
from tasks.wire.answers import Answer
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("holds.list", message=ListHolds, first_answer=AnswerTable.READS)
def list_(request: ListHolds) -> Answer:
    """List holds, newest first, in pages."""
    with transaction() as session:
        return list_holds(session, request)


def list_holds(session: Session, request: ListHolds) -> Answer:
    """Return a page of holds, newest first, with the positions of the next and the previous page."""
    listing = HoldListing(
        project=request.project,
        statuses=frozenset(request.status),
        now=read_clock(session),
        subscription=request.subscription,
        customer=request.customer,
        voucher_id=request.voucher,
    )
    return page_answer(
        request,
        prefix="hol",
        item=lambda row: hold_answer(row, status=status_at(listing.now, row=row)),
        older=lambda than, limit: older_holds(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_holds(session, listing=listing, than=than, limit=limit),
    )
