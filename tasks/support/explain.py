"""Explain to a person why a customer, a subscription or an invoice got its discounts, or none."""

from sqlalchemy.orm import Session

from models.base import read_clock, read_one_snapshot
from models.discounts.row_types import ListedDiscountRow
from models.invoices.latest_reversal import find_latest_reversals
from models.invoices.ledger import find_invoices
from models.invoices.row_types import InvoiceRow
from tasks.intake.task import contract_task
from tasks.invoices.answers import replayed_invoice_answer
from tasks.support.answers import explained_discount, explained_hold, explained_request
from tasks.support.evidence import NOTHING, Evidence, read_evidence
from tasks.support.finding import finding_of, finding_text
from tasks.support.messages import Explain
from tasks.support.on_invoice import explained_on_invoice
from tasks.support.pages import Page, Row
from tasks.wire.answers import Answer
from tasks.wire.fields import type_id
from tasks.wire.replay import AnswerTable
from worker.database import transaction

# Of the first answer to an invoice. `billing.retrieve` shows the lines, which can be many.
BILLED = ("currency", "subtotal", "discountTotal", "total", "notices", "appliedAt", "reversed")


@contract_task("support.explain", message=Explain, first_answer=AnswerTable.READS)
def explain(request: Explain) -> Answer:
    """Explain the discounts and refusals of a customer, a subscription or an invoice, each with a sentence."""
    with transaction() as session:
        read_one_snapshot(session)
        return explain_subject(session, request)


def explain_subject(session: Session, request: Explain) -> Answer:
    """Return the explanation. An invoice that is not known is explained too: it was never discounted."""
    invoice = _invoice(session, request)
    is_known = request.invoice is None or invoice is not None
    evidence = read_evidence(session, request, invoice=invoice, now=read_clock(session)) if is_known else NOTHING
    finding = finding_of(request, invoice=invoice, evidence=evidence)
    return {
        "object": "explanation",
        "project": request.project,
        "customer": request.customer,
        "subscription": request.subscription,
        "invoice": request.invoice,
        "finding": finding.value,
        "text": finding_text(finding, invoice=invoice, evidence=evidence),
        "billed": None if invoice is None else _billed(session, invoice),
        "requests": [explained_request(each, evidence=evidence) for each in evidence.requests.rows],
        "moreRequestsBefore": _position("red", evidence.requests),
        "holds": [explained_hold(each, evidence=evidence) for each in evidence.holds.rows],
        "moreHoldsBefore": _position("hol", evidence.holds),
        "discounts": [_discount(each, request, invoice=invoice, evidence=evidence) for each in evidence.discounts.rows],
        "moreDiscountsBefore": _position("dis", evidence.discounts),
        "elsewhere": [_discount(each, request, invoice=invoice, evidence=evidence) for each in evidence.elsewhere.rows],
        "moreElsewhere": evidence.elsewhere.has_older,
    }


def _invoice(session: Session, request: Explain) -> InvoiceRow | None:
    if request.invoice is None:
        return None
    key = (request.project, request.invoice)
    return find_invoices(session, keys=[key]).get(key)


def _billed(session: Session, invoice: InvoiceRow) -> Answer:
    key = (invoice.project, invoice.invoice)
    answer = replayed_invoice_answer(invoice.answer, reversal=find_latest_reversals(session, keys=[key]).get(key))
    owners = {"invoice": invoice.invoice, "subscription": invoice.subscription, "customer": invoice.customer}
    return owners | {name: answer[name] for name in BILLED}


def _discount(row: ListedDiscountRow, request: Explain, *, invoice: InvoiceRow | None, evidence: Evidence) -> Answer:
    subscription = request.subscription if invoice is None else invoice.subscription
    on_invoice = None
    if invoice is not None:
        on_invoice = explained_on_invoice(row, invoice=invoice, known=evidence.known[row.id])
    return {**explained_discount(row, evidence=evidence, subscription=subscription), "onInvoice": on_invoice}


def _position(prefix: str, page: Page[Row]) -> str | None:
    return type_id(prefix, page.rows[0].id) if page.has_older else None
