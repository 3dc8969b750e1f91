"""Carry out an accepted reversal: lock its discounts, give cycles, budgets and totals back, and write the ledger.

If the invoice is given back, its own credits are taken back with it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.reversal import GIVING_BACK, BilledLine
from domain.value_class import value
from models.base import new_id, read_clock
from models.discounts.discount import DiscountStatus
from models.discounts.locks import DiscountKey, lock_discounts_and_running
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.progress import DiscountState
from models.discounts.row_types import DiscountRow
from models.invoices.ledger import find_entries
from models.invoices.reversal import add_reversals
from models.invoices.row_types import EntryRow, InvoiceRow
from models.redemptions.returned_place import return_customers_places
from models.vouchers.given import GivenKey, add_given
from models.vouchers.total import total_minor_of
from tasks.discounts.present_subscriptions import check_not_moved
from tasks.discounts.used_up_totals import with_used_up_totals
from tasks.invoices.budgets import refill_budgets
from tasks.invoices.messages import ReverseInvoice
from tasks.invoices.reversal_answers import reversal_answer, reversed_discount_answer, reversed_share_answer
from tasks.invoices.reversed_credits import (
    CreditToReverse,
    credits_in_force,
    discounts_of_credits,
    reverse_credits,
)
from tasks.invoices.reversed_lines import ReversedLine, discounts_of, is_in_full, reversed_lines
from tasks.invoices.states_afterwards import give_cycle_back, present_states, refill_totals
from tasks.wire.answers import Answer
from tasks.wire.fields import uuid_of


@value
class _ReversedDiscount:
    """A discount of the invoice with its ledger entry, and the part of the entry that is reversed."""

    row: DiscountRow
    entry: EntryRow
    amount_minor: int
    is_in_full: bool
    # Of the new row in `usage_reversals`.
    usage_id: UUID

    def columns(self) -> dict[str, Any]:
        return {
            "id": self.usage_id,
            "discount_id": self.row.id,
            "currency": self.entry.currency,
            "amount_minor": -self.amount_minor,
            "is_in_full": self.is_in_full,
        }

    def answer(self, *, state: DiscountState) -> Answer:
        return reversed_discount_answer(
            self.row, state=state, usage=self.usage_id, reverses=self.entry.id, amount_minor=self.amount_minor
        )


def carry_out_reversal(
    session: Session,
    request: ReverseInvoice,
    *,
    invoice: InvoiceRow,
    credits_: Sequence[CreditToReverse],
    locked: Collection[SubscriptionKey],
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
) -> Answer:
    """Reverse the refunds, or without refunds the rest of the invoice, and return the answer.

    Call it after locking the subscriptions of the invoice and of those that its `credits_` name, and the subscriptions
    that the discounts of all of them are on now.
    """
    gives_back = request.kind in GIVING_BACK
    parts = reversed_lines(lines, refunds=refunds)
    affected = {discount for part in parts for discount in part.by_discount}
    keys = discounts_of(invoice)
    may_run_again = gives_back or not affected.isdisjoint(_with_total(invoice))
    there = _lock(session, {*keys, *discounts_of_credits(credits_)}, locked=locked, may_run_again=may_run_again)
    credits_ = credits_in_force(session, credits_=credits_)
    rows = [each for each in there if each.id in affected]
    entries = find_entries(session, keys=[(each.project, each.id, request.invoice) for each in rows])
    if gives_back:
        refill_budgets(session, discounts=rows, entries=entries)
    at = read_clock(session)
    entry_of = {each.discount_id: each for each in entries}
    discounts = [
        _reversed_discount(each, entry=entry_of[each.id], parts=parts, lines=lines, refunds=refunds) for each in rows
    ]
    states = reverse_credits(session, credits_=credits_, discounts=there, at=at)
    # A discount of whose total nothing is left now takes no room.
    completed = {key for key, state in states.items() if state.status is DiscountStatus.COMPLETED}
    there = [each for each in there if (each.project, each.id) not in completed]
    states |= _states_afterwards(session, discounts, invoice=invoice, there=there, gives_back=gives_back, at=at)
    answer = _write(
        session, request, invoice=invoice, parts=parts, discounts=discounts, credits_=credits_, states=states, at=at
    )
    return_customers_places(session, keys=keys, at=at)
    add_given(session, given=_given(discounts, credits_=credits_))
    return answer


def _lock(
    session: Session, named: Collection[DiscountKey], *, locked: Collection[SubscriptionKey], may_run_again: bool
) -> list[DiscountRow]:
    # If a discount may run again, the other running discounts of its subscription are counted, and locked for that.
    there = lock_discounts_and_running(session, keys=named, subscriptions=locked if may_run_again else ())
    check_not_moved([each for each in there if (each.project, each.id) in named], locked=locked)
    return there


def _with_total(invoice: InvoiceRow) -> set[UUID]:
    return {uuid_of(each["discount"]) for each in invoice.answer["discounts"] if each["debitBalance"] is not None}


def _given(discounts: Iterable[_ReversedDiscount], *, credits_: Iterable[CreditToReverse]) -> dict[GivenKey, int]:
    given: defaultdict[GivenKey, int] = defaultdict(int)
    for each in discounts:
        given[each.row.project, each.row.voucher_id, each.entry.currency] -= each.amount_minor
    for share in (share for credit in credits_ for share in credit.shares):
        given[share.discount[0], share.voucher_id, share.currency] += share.amount_minor
    return given


def _reversed_discount(
    row: DiscountRow,
    *,
    entry: EntryRow,
    parts: Sequence[ReversedLine],
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
) -> _ReversedDiscount:
    return _ReversedDiscount(
        row=row,
        entry=entry,
        amount_minor=sum(part.by_discount.get(row.id, 0) for part in parts),
        is_in_full=is_in_full(row.id, lines=lines, refunds=refunds),
        usage_id=new_id(),
    )


def _states_afterwards(
    session: Session,
    discounts: Sequence[_ReversedDiscount],
    *,
    invoice: InvoiceRow,
    there: Sequence[DiscountRow],
    gives_back: bool,
    at: datetime,
) -> Mapping[DiscountKey, DiscountState]:
    rows = [each.row for each in discounts]
    changed = rows if gives_back else [each for each in rows if total_minor_of(each) is not None]
    if not changed:
        return present_states(rows, today=at.date())
    used_up = with_used_up_totals(
        session,
        discounts=changed,
        without={(each.row.id, each.entry.currency): each.amount_minor for each in discounts},
    )
    changed_ids = {each.id for each in changed}
    beside = [each for each in there if each.id not in changed_ids]
    if gives_back:
        return give_cycle_back(session, invoice=invoice, discounts=changed, used_up=used_up, beside=beside, at=at)
    return refill_totals(session, discounts=changed, used_up=used_up, beside=beside, at=at)


def _write(
    session: Session,
    request: ReverseInvoice,
    *,
    invoice: InvoiceRow,
    parts: Sequence[ReversedLine],
    discounts: Sequence[_ReversedDiscount],
    credits_: Sequence[CreditToReverse],
    states: Mapping[DiscountKey, DiscountState],
    at: datetime,
) -> Answer:
    id_ = new_id()
    answers = [each.answer(state=states[each.row.project, each.row.id]) for each in discounts]
    answers += [
        reversed_share_answer(each, state=states[each.discount]) for credit in credits_ for each in credit.shares
    ]
    shares_of_credits = {each.line: each.part.negative().by_discount for each in credits_}
    shown = [replace(each, by_discount=shares_of_credits.get(each.id, each.by_discount)) for each in parts]
    answer = reversal_answer(request, id=id_, invoice=invoice, lines=shown, discounts=answers, at=at)
    columns = {
        "project": request.project,
        "invoice": request.invoice,
        "kind": request.kind.value,
        "created_at": at,
        "credited_by": None,
    }
    refunded_lines = [each.stored() for each in parts] if request.lines else []
    add_reversals(
        session,
        reversals=[{**columns, "id": id_, "lines": refunded_lines, "answer": answer, "actor": request.actor}],
        entries=[{**columns, "reversal_id": id_, **each.columns()} for each in discounts],
    )
    return answer
