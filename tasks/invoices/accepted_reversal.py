"""Carry out an accepted reversal: lock its discounts, give cycles, budgets and balances back, and write the ledger."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.reversal import GIVING_BACK, BilledLine
from domain.value_class import value
from models.base import new_id, read_clock
from models.discounts.locks import DiscountKey, lock_discounts_and_running
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.progress import DiscountState
from models.discounts.row_types import DiscountRow
from models.invoices.ledger import find_entries
from models.invoices.reversal import add_reversal
from models.invoices.row_types import EntryRow, InvoiceRow
from models.redemptions.returned_place import return_customers_places
from models.vouchers.given import GivenKey, add_given
from tasks.discounts.balance import used_up_balances
from tasks.discounts.present_subscriptions import check_not_moved
from tasks.invoices.budgets import refill_budgets
from tasks.invoices.messages import ReverseInvoice
from tasks.invoices.reversal_answers import reversal_answer, reversed_discount_answer
from tasks.invoices.reversed_lines import ReversedLine, is_in_full, reversed_lines
from tasks.invoices.states_afterwards import give_cycle_back, present_states, refill_balances
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
    locked: Collection[SubscriptionKey],
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
) -> Answer:
    """Reverse the refunds, or without refunds the rest of the invoice, and return the answer.

    Call it after locking the invoice's subscription, and those that its discounts are on now.
    """
    gives_back = request.kind in GIVING_BACK
    parts = reversed_lines(lines, refunds=refunds)
    affected = {discount for part in parts for discount in part.by_discount}
    keys = discounts_of(invoice)
    may_run_again = gives_back or not affected.isdisjoint(_balances_of(invoice))
    # A discount may run again, so the other running discounts of its subscription are counted, and locked for that.
    there = lock_discounts_and_running(session, keys=keys, subscriptions=locked if may_run_again else ())
    check_not_moved([each for each in there if (each.project, each.id) in keys], locked=locked)
    rows = [each for each in there if each.id in affected]
    entries = find_entries(session, keys=[(each.project, each.id, request.invoice) for each in rows])
    if gives_back:
        refill_budgets(session, discounts=rows, entries=entries)
    at = read_clock(session)
    entry_of = {each.discount_id: each for each in entries}
    discounts = [
        _reversed_discount(each, entry=entry_of[each.id], parts=parts, lines=lines, refunds=refunds) for each in rows
    ]
    states = _states_afterwards(session, discounts, invoice=invoice, there=there, gives_back=gives_back, at=at)
    answer = _write(session, request, invoice=invoice, parts=parts, discounts=discounts, states=states, at=at)
    return_customers_places(session, keys=keys, at=at)
    add_given(session, given=_given(discounts))
    return answer


def discounts_of(invoice: InvoiceRow) -> list[DiscountKey]:
    """Return the discounts that took something off an invoice."""
    return [(invoice.project, uuid_of(each["discount"])) for each in invoice.answer["discounts"]]


def _balances_of(invoice: InvoiceRow) -> set[UUID]:
    return {uuid_of(each["discount"]) for each in invoice.answer["discounts"] if each["debitBalance"] is not None}


def _given(discounts: Iterable[_ReversedDiscount]) -> dict[GivenKey, int]:
    given: defaultdict[GivenKey, int] = defaultdict(int)
    for each in discounts:
        given[each.row.project, each.row.voucher_id, each.entry.currency] -= each.amount_minor
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
    changed = rows if gives_back else [each for each in rows if each.carry_over]
    if not changed:
        return present_states(rows, today=at.date())
    used_up = used_up_balances(
        session,
        discounts=changed,
        without={(each.row.id, each.entry.currency): each.amount_minor for each in discounts},
    )
    beside = [each for each in there if each not in changed]
    if gives_back:
        return give_cycle_back(session, invoice=invoice, discounts=changed, used_up=used_up, beside=beside, at=at)
    return refill_balances(session, balances=changed, used_up=used_up, beside=beside, at=at)


def _write(
    session: Session,
    request: ReverseInvoice,
    *,
    invoice: InvoiceRow,
    parts: Sequence[ReversedLine],
    discounts: Sequence[_ReversedDiscount],
    states: Mapping[DiscountKey, DiscountState],
    at: datetime,
) -> Answer:
    id_ = new_id()
    answers = [each.answer(state=states[each.row.project, each.row.id]) for each in discounts]
    answer = reversal_answer(request, id=id_, invoice=invoice, lines=parts, discounts=answers, at=at)
    columns = {
        "project": request.project,
        "invoice": request.invoice,
        "kind": request.kind.value,
        "created_at": at,
    }
    refunded_lines = [each.stored() for each in parts] if request.lines else []
    add_reversal(
        session,
        values={**columns, "id": id_, "lines": refunded_lines, "answer": answer},
        entries=[{**columns, "reversal_id": id_, **each.columns()} for each in discounts],
    )
    return answer
