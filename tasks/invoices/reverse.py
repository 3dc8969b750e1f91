"""Reverse the discounts of an invoice that was voided, whose payment failed, or that was refunded line by line."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy.orm import Session

from domain.reversal import GIVING_BACK, ReversalRefusal, judge_reversal
from models.discounts.present_subscription import SubscriptionKey
from models.invoices.ledger import find_invoices
from models.invoices.reversal import find_reversal_answer, find_reversals
from models.invoices.row_types import InvoiceReversalRow, InvoiceRow
from tasks.discounts.present_subscriptions import lock_present_subscriptions
from tasks.intake.task import contract_task, delivery_id
from tasks.invoices.accepted_reversal import carry_out_reversal
from tasks.invoices.messages import ReverseInvoice
from tasks.invoices.reversal_answers import reversal_refused
from tasks.invoices.reversed_credits import CreditToReverse, credits_of, discounts_of_credits, subscriptions_of
from tasks.invoices.reversed_lines import billed_lines, discounts_of
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import run_in_transaction

REVERSE = "billing.reverse"


@contract_task(REVERSE, message=ReverseInvoice, first_answer=AnswerTable.WRITE_ANSWERS)
def reverse(request: ReverseInvoice) -> Answer:
    """Reverse the discounts of an invoice, or the share of them that belongs to refunded lines."""
    return run_in_transaction(lambda session: reverse_invoice(session, request, delivery=delivery_id()))


def reverse_invoice(session: Session, request: ReverseInvoice, *, delivery: str | None = None) -> Answer:
    """Reverse an invoice, and return the answer, which is the same for a repeated request.

    If the invoice was voided or its payment failed, each discount gets its cycle back once, under any request id. A
    charge-back after refunds reverses the rest, and leaves out the discounts that were refunded in full.
    It locks the invoice's subscription first, so reversals of an invoice run one after the other, and with it the
    subscriptions that its discounts were moved to. If it gives its credits back, it also locks the subscriptions that
    a credit locks. The locks of the discounts follow, then those of the budgets.
    Raises NotFound if the project has no such discounted invoice.
    """
    key = (request.project, request.invoice)
    invoice = found(find_invoices(session, keys=[key]).get(key), "invoice")
    own = (request.project, invoice.subscription)
    credits_ = credits_of(invoice) if request.kind in GIVING_BACK else []
    locked = lock_present_subscriptions(
        session,
        discounts={*discounts_of(invoice), *discounts_of_credits(credits_)},
        beside={own, *subscriptions_of(session, credits_=credits_)},
    )
    return answer_once(
        session,
        request,
        task=REVERSE,
        delivery=delivery,
        conflict=lambda: reversal_refused(request, reason=ReversalRefusal.IDEMPOTENCY_CONFLICT),
        work=lambda: _reverse(session, request, invoice=invoice, credits_=credits_, locked=locked),
    )


def _reverse(
    session: Session,
    request: ReverseInvoice,
    *,
    invoice: InvoiceRow,
    credits_: Sequence[CreditToReverse],
    locked: Collection[SubscriptionKey],
) -> Answer:
    key = (request.project, request.invoice)
    earlier = find_reversals(session, keys=[key])[key]
    same = _find_same(request, earlier=earlier)
    if same is not None:
        return find_reversal_answer(session, project=same.project, id=same.id)
    lines = billed_lines(invoice.answer, earlier=earlier)
    refunds = {each.id: each.amount for each in request.lines or ()}
    refusal = judge_reversal(
        request.kind,
        earlier={each.kind for each in earlier},
        lines=lines,
        refunds=refunds,
        has_credits=bool(credits_),
    )
    if refusal is not None:
        return reversal_refused(request, reason=refusal)
    return carry_out_reversal(
        session, request, invoice=invoice, credits_=credits_, locked=locked, lines=lines, refunds=refunds
    )


def _find_same(request: ReverseInvoice, *, earlier: Iterable[InvoiceReversalRow]) -> InvoiceReversalRow | None:
    """Return the earlier reversal of the same kind. Refunds are never the same: their request ids differ."""
    if request.kind not in GIVING_BACK:
        return None
    return next((each for each in earlier if each.kind == request.kind), None)
