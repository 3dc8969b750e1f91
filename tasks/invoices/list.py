"""List the discounted invoices of a subscription or a customer."""

from sqlalchemy.orm import Session

from models.invoices.latest_reversal import find_latest_reversals
from models.invoices.ledger import find_invoices
from models.invoices.listing import InvoiceListing, newer_invoices, older_invoices
from models.invoices.row_types import InvoiceRow
from tasks.intake.task import contract_task
from tasks.invoices.answers import replayed_invoice_answer
from tasks.invoices.messages import ListInvoices
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.pages import answer_with
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("billing.list", message=ListInvoices, first_answer=AnswerTable.READS)
def list_(request: ListInvoices) -> Answer:
    """List discounted invoices, newest first, in pages, each with its latest reversal."""
    with transaction() as session:
        return list_invoices(session, request)


def list_invoices(session: Session, request: ListInvoices) -> Answer:
    """Return a page of invoices, newest first, with the positions of the next and the previous page.

    Raises NotFound if the position is no discounted invoice of the project.
    """
    listing = InvoiceListing(project=request.project, subscription=request.subscription, customer=request.customer)
    after, before = (_position(session, request, each) for each in (request.after, request.before))
    if before is None:
        rows = older_invoices(session, listing=listing, than=after, limit=request.limit)
    else:
        rows = newer_invoices(session, listing=listing, than=before, limit=request.limit)
    reversals = find_latest_reversals(session, keys=[(row.project, row.invoice) for row in rows]) if rows else {}
    return answer_with(
        rows,
        items=[replayed_invoice_answer(row.answer, reversal=reversals.get((row.project, row.invoice))) for row in rows],
        more_after=bool(rows and older_invoices(session, listing=listing, than=rows[-1], limit=1)),
        more_before=bool(rows and newer_invoices(session, listing=listing, than=rows[0], limit=1)),
        shown=lambda row: row.invoice,
    )


def _position(session: Session, request: ListInvoices, invoice: str | None) -> InvoiceRow | None:
    if invoice is None:
        return None
    key = (request.project, invoice)
    return found(find_invoices(session, keys=[key]).get(key), "invoice")
