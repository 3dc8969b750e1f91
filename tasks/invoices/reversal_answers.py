"""The answers about reversals, built from the invoice's answer and from what the rules decided."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from domain.reversal import ReversalRefusal
from models.base import StoredRow
from tasks.invoices.messages import ReverseInvoice
from tasks.wire.answers import Answer, AsStored, day, instant
from tasks.wire.fields import type_id

# Of each line that is reversed: its id, the amount of it, and each discount's part.
ReversedLine = tuple[str, int, Mapping[UUID, int]]


def reversal_answer(
    request: ReverseInvoice,
    *,
    id: UUID,  # noqa: A002 - the field's name
    invoice: StoredRow,
    lines: Sequence[ReversedLine],
    discounts: Sequence[Answer],
    at: datetime,
) -> Answer:
    """This function will return what was taken back of an invoice, line by line and discount by discount."""
    return {
        **_head(request, outcome="reversed", reason=None),
        "id": type_id("rev", id),
        "subscription": invoice.subscription,
        "customer": invoice.customer,
        "currency": invoice.answer["currency"],
        "amount": sum(amount for _, amount, _ in lines),
        "discountTotal": sum(each["amount"] for each in discounts),
        "lines": [
            {"id": line, "amount": amount, "discountShare": sum(parts.values())} for line, amount, parts in lines
        ],
        "discounts": list(discounts),
        "reversedAt": instant(at),
    }


def reversed_discount(row: AsStored, *, entry: UUID, reverses: UUID, amount_minor: int) -> Answer:
    """This function will return what was taken back of one discount, and where that leaves it."""
    return {
        "discount": type_id("dis", row.id),
        "voucher": type_id("vou", row.voucher_id),
        "usage": type_id("use", entry),
        "reverses": type_id("use", reverses),
        "amount": amount_minor,
        "status": row.status,
        "cycles": row.cycles,
        "endsOn": day(row.ends_on),
    }


def reversal_refused(request: ReverseInvoice, *, reason: ReversalRefusal) -> Answer:
    """This function will refuse a reversal. It takes nothing back."""
    return {
        **_head(request, outcome="refused", reason=reason.value),
        "id": None,
        "subscription": None,
        "customer": None,
        "currency": None,
        "amount": None,
        "discountTotal": None,
        "lines": [],
        "discounts": [],
        "reversedAt": None,
    }


def _head(request: ReverseInvoice, *, outcome: str, reason: str | None) -> Answer:
    return {
        "object": "reversal",
        "project": request.project,
        "invoice": request.invoice,
        "requestId": request.request_id,
        "outcome": outcome,
        "reason": reason,
        "reversalReason": request.reason.value,
        "chargedBack": request.charged_back,
    }
