"""The answers about reversals of invoices."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.reversal import ReversalRefusal
from models.discounts.progress import DiscountState
from models.discounts.row_types import DiscountRow
from models.invoices.row_types import InvoiceRow, ReversalWithAnswerRow
from tasks.invoices.messages import ReverseInvoice
from tasks.invoices.reversed_credits import ShareToReverse
from tasks.invoices.reversed_lines import ReversedLine
from tasks.wire.answers import Answer, day, instant
from tasks.wire.fields import type_id


def reversal_answer(
    request: ReverseInvoice,
    *,
    id: UUID,  # noqa: A002 - the field's name
    invoice: InvoiceRow,
    lines: Sequence[ReversedLine],
    discounts: Sequence[Answer],
    at: datetime,
) -> Answer:
    """Return the answer to an accepted reversal. `discounts` are answers of `reversed_discount_answer`."""
    return {
        **_head(request, outcome="reversed", reason=None),
        "id": type_id("rev", id),
        "subscription": invoice.subscription,
        "customer": invoice.customer,
        "currency": invoice.answer["currency"],
        "amount": sum(each.amount_minor for each in lines),
        "discountTotal": sum(each["amount"] for each in discounts),
        "lines": [{"id": each.id, "amount": each.amount_minor, "discountShare": each.share_minor()} for each in lines],
        "discounts": list(discounts),
        "actor": request.actor,
        "reversedAt": instant(at),
    }


def reversed_discount_answer(
    row: DiscountRow, *, state: DiscountState, usage: UUID, reverses: UUID, amount_minor: int
) -> Answer:
    """Return the reversed amount of a discount, in minor units, with its ledger entries and its state afterwards."""
    return _reversed_amount(
        discount=row.id,
        voucher=row.voucher_id,
        usage=usage,
        reverses=reverses,
        amount_minor=amount_minor,
        state=state,
    )


def reversed_share_answer(share: ShareToReverse, *, state: DiscountState) -> Answer:
    """Return the share of a credit that is taken back. The amount is negative, because the discount gets nothing."""
    return _reversed_amount(
        discount=share.discount[1],
        voucher=share.voucher_id,
        usage=share.usage_id,
        reverses=share.credit,
        amount_minor=-share.amount_minor,
        state=state,
    )


def _reversed_amount(
    *, discount: UUID, voucher: UUID, usage: UUID, reverses: UUID, amount_minor: int, state: DiscountState
) -> Answer:
    return {
        "discount": type_id("dis", discount),
        "voucher": type_id("vou", voucher),
        "usage": type_id("use", usage),
        "reverses": type_id("use", reverses),
        "amount": amount_minor,
        "status": state.status.value,
        "cycles": state.progress.cycles,
        "fullPriceFrom": day(state.progress.ends_on),
    }


def reversal_refused(request: ReverseInvoice, *, reason: ReversalRefusal) -> Answer:
    """Return the answer to a refused reversal."""
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
        "actor": None,
        "reversedAt": None,
    }


def later_reversal_answer(row: ReversalWithAnswerRow, *, of: InvoiceRow) -> Answer:
    """Return the answer to a reversal of an invoice, or a credit as `billing.retrieve` shows it."""
    return _credit_answer(row, of=of) if row.answer is None else shown_reversal(row.answer, actor=row.actor)


def shown_reversal(answer: Answer, *, actor: str | None) -> Answer:
    """Return a stored answer to a reversal with the actor, whom the answers of earlier releases do not name."""
    return {**answer, "actor": actor}


def _credit_answer(row: ReversalWithAnswerRow, *, of: InvoiceRow) -> Answer:
    """Return a credit. One that was taken back has negative amounts."""
    lines = [(each["id"], each["amount"], sum(each["discounts"].values())) for each in row.lines]
    by_discount: Counter[str] = Counter()
    for each in row.lines:
        by_discount.update(each["discounts"])
    return {
        "object": "credit",
        "id": type_id("rev", row.id),
        "project": of.project,
        "invoice": of.invoice,
        "kind": row.kind,
        "creditedBy": row.credited_by,
        "currency": of.answer["currency"],
        "amount": sum(amount for _, amount, _ in lines),
        "discountTotal": by_discount.total(),
        "lines": [{"id": line, "amount": amount, "discountShare": share} for line, amount, share in lines],
        "discounts": [
            {"discount": type_id("dis", UUID(discount)), "amount": amount} for discount, amount in by_discount.items()
        ],
        "at": instant(row.created_at),
    }


def _head(request: ReverseInvoice, *, outcome: str, reason: str | None) -> Answer:
    return {
        "object": "reversal",
        "project": request.project,
        "invoice": request.invoice,
        "requestId": request.request_id,
        "outcome": outcome,
        "reason": reason,
        "kind": request.kind.value,
    }
