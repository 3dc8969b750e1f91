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
)
from models.base import StoredRow, new_id, read_clock
from models.discounts.locks import lock_discounts_by_id, lock_with_running
from models.discounts.subscription import lock_subscriptions
from models.invoices.ledger import find_invoices
from models.invoices.reversal import add_reversal, find_entries, find_reversals, reversal_answered
from models.redemptions.returned_place import return_customers_places
from tasks.invoices.budgets import refill_budgets
from tasks.invoices.give_back_cycle import give_cycle_back
from tasks.invoices.messages import ReverseInvoice
from tasks.invoices.reversal_answers import reversal_answer, reversal_refused, reversed_discount
from tasks.invoices.reversed_lines import billed_lines, is_in_full, reversed_lines, stored_lines
from tasks.wire.answers import Answer, AsStored
from tasks.wire.errors import found
from tasks.wire.fields import uuid_of
from tasks.wire.replay import answer_once
from tasks.wire.task import contract_task, delivery_id
from worker.database import run_in_transaction

REVERSE = "billing.reverse"


@contract_task(REVERSE, message=ReverseInvoice)
def reverse(request: ReverseInvoice) -> Answer:
    """This task will take back what was taken off an invoice, or the refunded lines' share of it."""
    return run_in_transaction(lambda session: reverse_invoice(session, request, delivery=delivery_id()))


def reverse_invoice(session: Session, request: ReverseInvoice, *, delivery: str | None = None) -> Answer:
    """This function will reverse an invoice, once for each request id, and answer the same for ever.

    What is voided or not paid gives each discount its cycle back, once, whoever asks how often. A charge-back after
    refunds takes back what is left, and leaves discounts alone that were refunded in full. It locks the
    subscription first, so that one invoice is reversed by one caller at a time, then the discounts, then their budgets.
    Raises NotFound where no such invoice was discounted.
    """
    key = (request.project, request.invoice)
    invoice = found(find_invoices(session, keys=[key]).get(key), "invoice")
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
        is_like_it = (each.reason, each.is_charged_back) == (request.reason, request.charged_back)
        if is_like_it and request.reason in GIVING_BACK:
            return reversal_answered(session, project=each.project, id=each.id)
    lines = billed_lines(invoice, earlier=earlier)
    refunds = {each.id: each.amount for each in request.lines or ()}
    refusal = judge_reversal(
        request.reason,
        is_charged_back=request.charged_back,
        earlier={ReversalReason(each.reason) for each in earlier},
        lines=lines,
        refunds=refunds,
    )
    if refusal is not None:
        return reversal_refused(request, reason=refusal)
    return _take_back(session, request, invoice=invoice, lines=lines, refunds=refunds)


def _take_back(
    session: Session,
    request: ReverseInvoice,
    *,
    invoice: StoredRow,
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
) -> Answer:
    taking = reversed_lines(lines, refunds=refunds)
    touched = {discount for _, _, parts in taking for discount in parts}
    keys = [(request.project, uuid_of(each["discount"])) for each in invoice.answer["discounts"]]
    gives_back = request.reason in GIVING_BACK
    locked = (
        # Also what runs beside them: what is over of it is completed.
        lock_with_running(session, keys=keys, subscription=(request.project, invoice.subscription))
        if gives_back
        else lock_discounts_by_id(session, keys=keys)
    )
    discounts = [each for each in locked if each.id in touched]
    found = find_entries(session, keys=[(each.project, each.id, request.invoice) for each in discounts])
    taken = {each.discount_id: each for each in found}
    if gives_back:
        refill_budgets(session, discounts=discounts, entries=taken.values())
    at, id_ = read_clock(session), new_id()
    head = {
        "project": request.project,
        "invoice": request.invoice,
        "reason": request.reason.value,
        "is_charged_back": request.charged_back,
        "created_at": at,
    }
    entries = [
        {
            **head,
            "id": new_id(),
            "discount_id": each.id,
            "reversal_id": id_,
            "currency": taken[each.id].currency,
            "amount_minor": -sum(parts.get(each.id, 0) for _, _, parts in taking),
            "is_in_full": is_in_full(each.id, lines=lines, refunds=refunds),
        }
        for each in discounts
    ]
    after: Sequence[AsStored] = discounts
    if gives_back:
        beside = [each for each in locked if each.id not in touched]
        after = give_cycle_back(session, invoice=invoice, discounts=discounts, beside=beside, at=at)
    first_answers = _answered_discounts(after, entries=entries, taken=taken)
    answer = reversal_answer(request, id=id_, invoice=invoice, lines=taking, discounts=first_answers, at=at)
    values = {**head, "id": id_, "lines": stored_lines(taking) if refunds else [], "answer": answer}
    add_reversal(session, values=values, entries=entries)
    return_customers_places(session, keys=keys, at=at)
    return answer


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
