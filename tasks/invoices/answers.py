"""The answers about discounted invoices."""

from collections.abc import Sequence
from datetime import datetime

from domain.credit import CreditKind
from domain.eligibility import Refusal
from domain.invoice import Applied, Skipped
from domain.notice import Notice
from models.invoices.row_types import LatestReversalRow
from tasks.invoices.credits import Credit, RefusedCredit
from tasks.invoices.messages import Apply
from tasks.wire.answers import Answer, day, instant
from tasks.wire.fields import type_id


def invoice_answer(
    invoice: Apply,
    *,
    results: Sequence[Applied | Skipped],
    credits_: Sequence[Credit],
    notices: Sequence[Notice],
    applied_at: datetime,
) -> Answer:
    """Return the answer to an invoice, with its discounts and credits by line and by discount."""
    applied = [each for each in results if isinstance(each, Applied)]
    subtotal = sum(line.amount for line in invoice.lines)
    by_line = dict.fromkeys((line.id for line in invoice.lines), 0)
    for each in applied:
        for line_id, amount in each.by_line.items():
            by_line[line_id] += amount
    for credit in credits_:
        by_line[credit.line] -= credit.part.share_minor()
    discount_total = sum(by_line.values())
    return {
        **_invoice_head(invoice, outcome="applied", reason=None, line=None),
        "subtotal": subtotal,
        "discountTotal": discount_total,
        "total": subtotal - discount_total,
        "lines": [
            {
                "id": each.id,
                "amount": each.amount,
                "discount": by_line[each.id],
                "total": each.amount - by_line[each.id],
            }
            for each in invoice.lines
        ],
        "discounts": [_applied(each) for each in applied],
        "credits": [_credit(each) for each in credits_],
        "skipped": [_skipped(each) for each in results if isinstance(each, Skipped)],
        "notices": [each.value for each in notices],
        "appliedAt": instant(applied_at),
        "reversed": None,
    }


def replayed_invoice_answer(first_answer: Answer, *, reversal: LatestReversalRow | None) -> Answer:
    """Return the first answer to an invoice with its latest reversal since, if there is one."""
    shown = None if reversal is None else _reversed(reversal.kind, at=reversal.created_at)
    return {**first_answer, "reversed": shown}


def credited_since(at: datetime) -> Answer:
    """Return how the answer to a repeated invoice names a credit of the same batch."""
    return _reversed(CreditKind.CREDITED, at=at)


def _reversed(kind: str, *, at: datetime) -> Answer:
    return {"kind": str(kind), "at": instant(at)}


def invoice_conflict_answer(invoice: Apply) -> Answer:
    """Return the refusal of an invoice whose id was used with another body."""
    return _refused(invoice, reason=Refusal.IDEMPOTENCY_CONFLICT.value, line=None)


def refused_credit_answer(invoice: Apply, *, refused: RefusedCredit) -> Answer:
    """Return the refusal of an invoice with a credit line that is not possible."""
    return _refused(invoice, reason=refused.reason.value, line=refused.line)


def _refused(invoice: Apply, *, reason: str, line: str | None) -> Answer:
    """Return a refusal. It has no amount that could be billed."""
    return {
        **_invoice_head(invoice, outcome="refused", reason=reason, line=line),
        "subtotal": None,
        "discountTotal": None,
        "total": None,
        "lines": [],
        "discounts": [],
        "credits": [],
        "skipped": [],
        "notices": [],
        "appliedAt": None,
        "reversed": None,
    }


def _invoice_head(invoice: Apply, *, outcome: str, reason: str | None, line: str | None) -> Answer:
    return {
        "object": "invoiceDiscount",
        "outcome": outcome,
        "reason": reason,
        "refusedLine": line,
        "project": invoice.project,
        "invoice": invoice.invoice,
        "subscription": invoice.subscription,
        "currency": invoice.currency,
    }


def _applied(applied: Applied) -> Answer:
    return {
        "discount": type_id("dis", applied.discount.id),
        "voucher": type_id("vou", applied.discount.voucher_id),
        "amount": applied.amount_minor,
        "lines": dict(applied.by_line),
        "cycle": applied.progress.cycles,
        "phase": applied.discount.phase,
        "fullPriceFrom": day(applied.progress.ends_on),
        "debitBalance": None if applied.balance is None else applied.balance.left_minor,
    }


def _credit(credit: Credit) -> Answer:
    return {
        "line": credit.line,
        "creditOf": {"invoice": credit.credited[1], "line": credit.part.id},
        "amount": credit.part.amount_minor,
        "discountShare": credit.part.share_minor(),
        "discounts": [
            {
                "discount": type_id("dis", each.discount_id),
                "voucher": type_id("vou", each.voucher_id),
                "usage": type_id("use", each.usage_id),
                "reverses": type_id("use", each.reverses),
                "amount": each.amount_minor,
            }
            for each in credit.shares
        ],
    }


def _skipped(skipped: Skipped) -> Answer:
    return {
        "discount": type_id("dis", skipped.discount.id),
        "voucher": type_id("vou", skipped.discount.voucher_id),
        "reason": skipped.reason.value,
    }
