"""The credit lines of a batch of invoices: whether each is possible, and the shares that it gives back."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.credit import CreditKind, CreditRefusal, judge_credit
from domain.reversal import BilledLine, shares_of_refund
from domain.value_class import value
from models.base import new_id
from models.discounts.discount import DiscountStatus
from models.discounts.locks import DiscountKey, lock_discounts_and_running
from models.discounts.of_subscription import lock_covering, may_cover
from models.discounts.progress import count_credited
from models.discounts.row_types import DiscountRow
from models.invoices.ledger import InvoiceKey
from models.invoices.reversal import add_reversals
from models.vouchers.total import total_minor_of
from tasks.discounts.used_up_totals import with_used_up_totals
from tasks.invoices.credited_invoices import (
    CreditedInvoice,
    credit_lines,
    credited_invoice,
    credited_keys,
    lock_credited,
    read_credited,
)
from tasks.invoices.messages import Apply
from tasks.invoices.reversed_lines import ReversedLine
from tasks.invoices.states_afterwards import refill_totals
from tasks.wire.answers import Answer
from tasks.wire.replay import FirstAnswers
from worker.database import ChangedMeanwhileError


@value
class RefusedCredit:
    """The first line of an invoice that cannot be a credit, and the reason."""

    line: str
    reason: CreditRefusal


@value
class CreditedShare:
    """The share of a discount that a credit gives back, in minor units, and the ledger entry that it reduces."""

    discount_id: UUID
    voucher_id: UUID
    amount_minor: int
    # Of the new row in `usage_reversals`, and of the entry.
    usage_id: UUID
    reverses: UUID
    cycle_start: date


@value
class Credit:
    """A credit line, and the part of the credited line that it gives back."""

    line: str
    credited: InvoiceKey
    part: ReversedLine
    shares: Sequence[CreditedShare]


class Credits:
    """The invoices that a batch credits, with the credits of the batch so far, and the new rows.

    `wanted` are the invoices that the batch credits, of which some may be new. `discounts` are all locked discounts.
    """

    def __init__(
        self,
        *,
        wanted: Collection[InvoiceKey] = (),
        invoices: Mapping[InvoiceKey, CreditedInvoice] | None = None,
        discounts: Iterable[DiscountRow] = (),
    ) -> None:
        self._wanted = wanted
        self._invoices = dict(invoices or {})
        self._discounts: dict[DiscountKey, DiscountRow] = {(each.project, each.id): each for each in discounts}
        self._new_reversals: list[dict[str, Any]] = []
        self._new_entries: list[dict[str, Any]] = []

    def check_complete(self, first_answers: FirstAnswers) -> None:
        """Check that every known invoice that the batch credits was read.

        Raises ChangedMeanwhileError if one was stored during the wait for the locks.
        """
        if any(first_answers.knows(each) for each in self._wanted if each not in self._invoices):
            raise ChangedMeanwhileError

    def add_invoice(self, invoice: Apply, *, answer: Answer, entries: Iterable[Mapping[str, Any]]) -> None:
        """Keep a new invoice of the batch with the rows of its ledger entries, if the batch credits that invoice."""
        key = (invoice.project, invoice.invoice)
        if key in self._wanted:
            self._invoices[key] = credited_invoice(answer, entries=[SimpleNamespace(**each) for each in entries])

    def give_back(self, invoice: Apply, *, at: datetime) -> Sequence[Credit] | RefusedCredit:
        """Return the credits of an invoice, or the first line that is refused. Then none of them takes effect."""
        if not self._wanted:
            return ()
        # Of the credited invoices, as this invoice changes them.
        lines: dict[InvoiceKey, dict[str, BilledLine]] = {}
        credits_: list[Credit] = []
        for line, key, credited_line in credit_lines(invoice):
            credited = self._invoices.get(key)
            if credited is None:
                return RefusedCredit(line=line.id, reason=CreditRefusal.INVOICE_NOT_FOUND)
            if key not in lines:
                lines[key] = dict(credited.lines)
            reason = judge_credit(
                -line.amount,
                line=credited_line,
                currency=invoice.currency,
                lines=lines[key],
                billed_in=credited.currency,
                earlier=credited.earlier,
            )
            if reason is not None:
                return RefusedCredit(line=line.id, reason=reason)
            billed = lines[key][credited_line]
            shares = shares_of_refund(billed, amount_minor=-line.amount)
            lines[key][credited_line] = billed.with_credit(-line.amount, shares=shares)
            part = ReversedLine(id=credited_line, amount_minor=-line.amount, by_discount=shares)
            credits_.append(_credit(line.id, credited=key, part=part, of=credited))
        for key, changed in lines.items():
            self._invoices[key] = replace(self._invoices[key], lines=changed)
        for each in credits_:
            self._add_rows(each, invoice=invoice, at=at)
        return credits_

    def _add_rows(self, credit: Credit, *, invoice: Apply, at: datetime) -> None:
        columns = {
            "project": invoice.project,
            "invoice": credit.credited[1],
            "kind": CreditKind.CREDITED.value,
            "created_at": at,
            "credited_by": invoice.invoice,
        }
        id_ = new_id()
        self._new_reversals.append({**columns, "id": id_, "lines": [credit.part.stored()], "answer": None})
        self._new_entries += [
            {
                **columns,
                "id": each.usage_id,
                "reversal_id": id_,
                "discount_id": each.discount_id,
                "currency": invoice.currency,
                "amount_minor": -each.amount_minor,
                "is_in_full": False,
            }
            for each in credit.shares
        ]

    def write(self, session: Session, *, at: datetime) -> None:
        """Write the credits, and let discounts whose totals they have refilled run again. Without credits, do nothing.

        Call it after writing the batch's ledger entries and the progress of its discounts.
        """
        if not self._new_reversals:
            return
        add_reversals(session, reversals=self._new_reversals, entries=self._new_entries)
        count_credited(session, entries=Counter((each["project"], each["discount_id"]) for each in self._new_entries))
        refilled = {(each["project"], each["discount_id"]) for each in self._new_entries if each["amount_minor"]}
        completed = {key for key in refilled if _may_run_again(self._discounts[key])}
        if completed:
            self._run_again(session, completed, at=at)

    def _run_again(self, session: Session, completed: Collection[DiscountKey], *, at: datetime) -> None:
        # All of these are locked, but the batch may have changed them.
        subscriptions = {(key[0], self._discounts[key].subscription) for key in completed}
        there = lock_discounts_and_running(session, keys=completed, subscriptions=subscriptions)
        rows = [each for each in there if (each.project, each.id) in completed]
        refill_totals(
            session,
            discounts=rows,
            used_up=with_used_up_totals(session, discounts=rows),
            beside=[each for each in there if (each.project, each.id) not in completed],
            at=at,
        )


def lock_discounts(session: Session, invoices: Sequence[Apply]) -> tuple[list[DiscountRow], Credits]:
    """Lock the discounts that may cover the invoices, and with credit lines, what `lock_credited` locks for them."""
    subscriptions = {(each.project, each.subscription) for each in invoices}
    wanted = credited_keys(invoices)
    if not wanted:
        return lock_covering(session, subscriptions=subscriptions), Credits()
    locked = lock_credited(session, invoices, keys=wanted)
    credited = read_credited(session, invoices=locked.invoices)
    there = [each for each in locked.discounts if (each.project, each.subscription) in subscriptions]
    return (
        [each for each in there if may_cover(each)],
        Credits(wanted=wanted, invoices=credited, discounts=locked.discounts),
    )


def _may_run_again(row: DiscountRow) -> bool:
    return total_minor_of(row) is not None and row.status == DiscountStatus.COMPLETED


def _credit(line: str, *, credited: InvoiceKey, part: ReversedLine, of: CreditedInvoice) -> Credit:
    shares = [
        CreditedShare(
            discount_id=discount,
            voucher_id=of.vouchers[discount],
            amount_minor=amount_minor,
            usage_id=new_id(),
            reverses=of.entries[discount].id,
            cycle_start=of.entries[discount].cycle_start,
        )
        for discount, amount_minor in part.by_discount.items()
    ]
    return Credit(line=line, credited=credited, part=part, shares=shares)
