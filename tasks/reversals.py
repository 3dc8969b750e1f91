"""Reversing what was taken off an invoice: it is voided, its payment fails, or it is refunded line by line."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.reversal import (
    GIVING_BACK,
    BilledLine,
    ReversalReason,
    ReversalRefusal,
    judge_reversal,
    shares_of_refund,
)
from models.base import StoredRow, new_id, read_clock
from models.place import free_customers_places
from models.reversal import add_reversal, find_entries, find_reversals, lock_discounts_by_id
from models.subscription import lock_subscriptions
from models.usage import find_invoices
from tasks.answered import answer_once
from tasks.answers import AsStored
from tasks.budgets import refill_budgets
from tasks.fields import uuid_of
from tasks.reversal_answers import ReversedLine, reversal_answer, reversal_refused, reversed_discount
from tasks.reversal_messages import ReverseInvoice
from tasks.rewinding import give_back
from tasks.wire import Answer, NotFound, contract_task, delivery_id
from worker.db import run_in_transaction

REVERSE = "billing.reverse"


@contract_task(REVERSE, message=ReverseInvoice)
def reverse(request: ReverseInvoice) -> Answer:
    """This task will take back what was taken off an invoice, or the refunded lines' share of it."""
    return run_in_transaction(lambda session: reverse_invoice(session, request, delivery=delivery_id()))


def reverse_invoice(session: Session, request: ReverseInvoice, *, delivery: str | None = None) -> Answer:
    """This function will reverse an invoice, once for each request id, and answer the same for ever.

    What is voided or not paid gives each discount its cycle back, once, whoever asks how often. It locks the
    subscription first, so that one invoice is reversed by one caller at a time, then the discounts.
    Raises NotFound where no such invoice was discounted.
    """
    key = (request.project, request.invoice)
    invoice = find_invoices(session, keys=[key]).get(key)
    if invoice is None:
        raise NotFound("invoice")
    lock_subscriptions(session, keys=[(request.project, invoice.subscription)])
    return answer_once(
        session,
        request,
        task=REVERSE,
        delivery=delivery,
        conflict=lambda: reversal_refused(request, reason=ReversalRefusal.IDEMPOTENCY_CONFLICT),
        work=lambda: _reverse(session, request, invoice=invoice),
    )


def _reverse(session: Session, request: ReverseInvoice, *, invoice: StoredRow) -> Answer:
    earlier = find_reversals(session, project=request.project, invoice=request.invoice)
    for each in earlier:
        if each.reason == request.reason and request.reason in GIVING_BACK:
            first: Answer = each.answer
            return first
    lines = _billed_lines(invoice, earlier=earlier)
    refunds = {each.id: each.amount for each in request.lines or ()}
    refusal = judge_reversal(
        request.reason, earlier={ReversalReason(each.reason) for each in earlier}, lines=lines, refunds=refunds
    )
    if refusal is not None:
        return reversal_refused(request, reason=refusal)
    return _take_back(session, request, invoice=invoice, lines=lines, refunds=refunds)


def _billed_lines(invoice: StoredRow, *, earlier: Sequence[StoredRow]) -> dict[str, BilledLine]:
    refunded = [each for reversal in earlier for each in reversal.lines]
    by_line: dict[str, dict[UUID, int]] = {}
    for discount in invoice.answer["discounts"]:
        for line, amount in discount["lines"].items():
            by_line.setdefault(line, {})[uuid_of(discount["discount"])] = amount
    lines = {}
    for line in invoice.answer["lines"]:
        mine = [each for each in refunded if each["id"] == line["id"]]
        returned: dict[UUID, int] = {}
        for each in mine:
            for discount, part in each["discounts"].items():
                returned[UUID(discount)] = returned.get(UUID(discount), 0) + part
        lines[line["id"]] = BilledLine(
            amount_minor=line["amount"],
            by_discount=by_line.get(line["id"], {}),
            refunded_minor=sum(each["amount"] for each in mine),
            returned=returned,
        )
    return lines


def _take_back(
    session: Session,
    request: ReverseInvoice,
    *,
    invoice: StoredRow,
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
) -> Answer:
    keys = [(request.project, uuid_of(each["discount"])) for each in invoice.answer["discounts"]]
    discounts = lock_discounts_by_id(session, keys=keys)
    taken = {each.discount_id: each for each in find_entries(session, keys=[(*key, request.invoice) for key in keys])}
    if request.reason in GIVING_BACK:
        refill_budgets(session, discounts=discounts, entries=taken.values())
    at, id_ = read_clock(session), new_id()
    reversed_lines = _reversed_lines(lines, refunds=refunds)
    entries = [
        {
            "project": request.project,
            "id": new_id(),
            "discount_id": each.id,
            "invoice": request.invoice,
            "reversal_id": id_,
            "reason": request.reason.value,
            "currency": taken[each.id].currency,
            "amount_minor": -sum(parts.get(each.id, 0) for _, _, parts in reversed_lines),
            "is_in_full": _is_in_full(each.id, lines=lines, refunds=refunds),
            "created_at": at,
        }
        for each in discounts
        if any(each.id in parts for _, _, parts in reversed_lines)
    ]
    after: Sequence[AsStored] = discounts
    if request.reason in GIVING_BACK:
        after = give_back(session, invoice=invoice, discounts=discounts, today=at.date())
    answer = reversal_answer(
        request,
        id=id_,
        invoice=invoice,
        lines=reversed_lines,
        discounts=_answered_discounts(after, entries=entries, taken=taken),
        at=at,
    )
    values = {
        "project": request.project,
        "id": id_,
        "invoice": request.invoice,
        "reason": request.reason.value,
        "lines": _stored(reversed_lines) if refunds else [],
        "answer": answer,
        "created_at": at,
    }
    add_reversal(session, values=values, entries=entries)
    free_customers_places(session, keys=keys, at=at)
    return answer


def _reversed_lines(lines: Mapping[str, BilledLine], *, refunds: Mapping[str, int]) -> list[ReversedLine]:
    if refunds:
        return [(each, amount, shares_of_refund(lines[each], amount_minor=amount)) for each, amount in refunds.items()]
    return [(each, line.amount_minor, line.by_discount) for each, line in lines.items()]


def _is_in_full(discount: UUID, *, lines: Mapping[str, BilledLine], refunds: Mapping[str, int]) -> bool:
    return bool(refunds) and all(
        line.refunded_minor + refunds.get(each, 0) == line.amount_minor
        for each, line in lines.items()
        if discount in line.by_discount
    )


def _answered_discounts(
    discounts: Sequence[AsStored], *, entries: Sequence[Mapping[str, Any]], taken: Mapping[UUID, StoredRow]
) -> list[Answer]:
    by_id = {each.id: each for each in discounts}
    return [
        reversed_discount(
            by_id[each["discount_id"]],
            entry=each["id"],
            reverses=taken[each["discount_id"]].id,
            amount_minor=-each["amount_minor"],
        )
        for each in entries
    ]


def _stored(lines: Sequence[ReversedLine]) -> list[dict[str, Any]]:
    return [
        {"id": line, "amount": amount, "discounts": {str(discount): part for discount, part in parts.items()}}
        for line, amount, parts in lines
    ]
