"""List the discounts of a subscription, a customer or a voucher."""

from sqlalchemy.orm import Session

from models.discounts.listing import DiscountListing, newer_discounts, older_discounts
from tasks.discounts.answers import discount_answer
from tasks.discounts.messages import ListDiscounts
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("discounts.list", message=ListDiscounts, first_answer=AnswerTable.READS)
def list_(request: ListDiscounts) -> Answer:
    """List discounts, newest first, in pages."""
    with transaction() as session:
        return list_discounts(session, request)


def list_discounts(session: Session, request: ListDiscounts) -> Answer:
    """Return a page of discounts, newest first, with the positions of the next and the previous page."""
    listing = DiscountListing(
        project=request.project,
        statuses=frozenset(request.status),
        subscription=request.subscription,
        customer=request.customer,
        voucher_id=request.voucher,
    )
    return page_answer(
        request,
        prefix="dis",
        item=discount_answer,
        older=lambda than, limit: older_discounts(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_discounts(session, listing=listing, than=than, limit=limit),
    )
