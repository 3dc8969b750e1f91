"""List the reversals of an invoice, a subscription or a customer."""

from sqlalchemy.orm import Session

from models.invoices.reversal_listing import ReversalListing, newer_reversals, older_reversals
from tasks.intake.task import contract_task
from tasks.invoices.messages import ListReversals
from tasks.invoices.reversal_answers import shown_reversal
from tasks.wire.answers import Answer
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("reversals.list", message=ListReversals, first_answer=AnswerTable.READS)
def list_(request: ListReversals) -> Answer:
    """List reversals, newest first, in pages."""
    with transaction() as session:
        return list_reversals(session, request)


def list_reversals(session: Session, request: ListReversals) -> Answer:
    """Return a page of reversals, newest first, with the positions of the next and the previous page."""
    listing = ReversalListing(
        project=request.project,
        kinds=frozenset(request.kind),
        invoice=request.invoice,
        subscription=request.subscription,
        customer=request.customer,
    )
    return page_answer(
        request,
        prefix="rev",
        item=lambda row: shown_reversal(row.answer, actor=row.actor),
        older=lambda than, limit: older_reversals(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_reversals(session, listing=listing, than=than, limit=limit),
    )
