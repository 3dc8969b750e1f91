"""Retrieve a discounted invoice with everything that was reversed since."""

from models.base import read_one_snapshot
from models.invoices.latest_reversal import find_latest_reversals
from models.invoices.ledger import find_invoices
from models.invoices.listing import find_all_reversals
from tasks.intake.task import contract_task
from tasks.invoices.answers import replayed_invoice_answer
from tasks.invoices.messages import InvoiceReference
from tasks.invoices.reversal_answers import later_reversal_answer
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction


@contract_task("billing.retrieve", message=InvoiceReference, first_answer=AnswerTable.READS)
def retrieve(request: InvoiceReference) -> Answer:
    """Return the answer to an invoice, with all reversals and credits since."""
    key = (request.project, request.invoice)
    with transaction() as session:
        read_one_snapshot(session)
        invoice = found(find_invoices(session, keys=[key]).get(key), "invoice")
        latest = find_latest_reversals(session, keys=[key]).get(key)
        reversals = find_all_reversals(session, project=request.project, invoice=request.invoice)
    return {
        **replayed_invoice_answer(invoice.answer, reversal=latest),
        "reversals": [later_reversal_answer(each, of=invoice) for each in reversals],
    }
