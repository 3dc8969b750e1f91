"""The answers about discounted invoices."""

from collections.abc import Sequence
from datetime import datetime

from domain.eligibility import Refusal
from domain.invoice import Applied, Skipped
from domain.notice import Notice
from models.invoices.row_types import LatestReversalRow
from tasks.invoices.messages import Apply
from tasks.wire.answers import Answer, day, instant
from tasks.wire.fields import type_id


def invoice_answer(
    invoice: Apply, *, results: Sequence[Applied | Skipped], notices: Sequence[Notice], applied_at: datetime
) -> Answer:
    """Return the answer to an invoice, with its discounts by line and by discount."""
    applied = [each for each in results if isinstance(each, Applied)]
    discount_total = sum(each.amount_minor for each in applied)
    subtotal = sum(line.amount for line in invoice.lines)
    by_line = dict.fromkeys((line.id for line in invoice.lines), 0)
    for each in applied:
        for line_id, amount in each.by_line.items():
            by_line[line_id] += amount
    return {
        **_invoice_head(invoice, outcome="applied", reason=None),
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
        "skipped": [_skipped(each) for each in results if isinstance(each, Skipped)],
        "notices": [each.value for each in notices],
        "appliedAt": instant(applied_at),
        "reversed": None,
    }


def replayed_invoice_answer(first_answer: Answer, *, reversal: LatestReversalRow | None) -> Answer:
    """Return the first answer to an invoice with its latest reversal since, if there is one."""
    shown = None if reversal is None else {"kind": reversal.kind, "at": instant(reversal.created_at)}
    return {**first_answer, "reversed": shown}


def invoice_conflict_answer(invoice: Apply) -> Answer:
    """Return the refusal of an invoice whose id was used with another body. It has no amount that could be billed."""
    return {
        **_invoice_head(invoice, outcome="refused", reason=Refusal.IDEMPOTENCY_CONFLICT.value),
        "subtotal": None,
        "discountTotal": None,
        "total": None,
        "lines": [],
        "discounts": [],
        "skipped": [],
        "notices": [],
        "appliedAt": None,
        "reversed": None,
    }


def _invoice_head(invoice: Apply, *, outcome: str, reason: str | None) -> Answer:
    return {
        "object": "invoiceDiscount",
        "outcome": outcome,
        "reason": reason,
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
        "fullPriceFrom": day(applied.progress.ends_on),
        "debitBalance": None if applied.balance is None else applied.balance.left_minor,
    }


def _skipped(skipped: Skipped) -> Answer:
    return {
        "discount": type_id("dis", skipped.discount.id),
        "voucher": type_id("vou", skipped.discount.voucher_id),
        "reason": skipped.reason.value,
    }
