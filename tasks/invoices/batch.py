"""A batch of invoices: what the locked rows said, what is decided on top of it, and what is written in the end."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy.orm import Session

from domain.invoice import Applied, Discount, Invoice, Line, apply_discounts
from domain.recurrence import Period, Progress
from models.base import StoredRow, new_id, read_clock
from models.discounts.of_subscription import lock_discounts
from models.discounts.progress import save_progress
from models.discounts.values import granted_discount_of, progress_of
from models.invoices.ledger import add_entries, add_invoices, find_invoices
from models.invoices.taken import taken_in_all, taken_in_periods
from models.invoices.unreversed import AmountsGivenBack, sum_given_back
from tasks.invoices.answers import invoice_answer, invoice_conflict_answer
from tasks.invoices.budgets import Budgets
from tasks.invoices.messages import Apply
from tasks.wire.answers import Answer
from tasks.wire.replay import CallerKey, FirstAnswers

SubscriptionKey = tuple[str, str]


@dataclass(slots=True)
class _Granted:
    """A locked discount: its row, and how far it has come with what the batch has applied so far."""

    row: StoredRow
    progress: Progress
    # What it took, in minor units by currency, in each period that the batch is about, by the period's start.
    taken: dict[date, dict[str, int]] = field(default_factory=dict)
    # What it took in all, where it carries over.
    taken_in_all: dict[str, int] | None = None
    # What is left of its voucher's budget, by currency; shared by all the discounts of the voucher.
    budget_left: dict[str, int] | None = None
    has_advanced: bool = False
    is_used_up: bool = False

    def as_discount(self, *, start: date, starts_on: date) -> Discount:
        """This method will return what the rules need to know for an invoice of the period that starts then."""
        return granted_discount_of(
            self.row,
            progress=self.progress,
            taken_minor=self.taken[start],
            taken_in_all_minor=self.taken_in_all,
            starts_on=starts_on,
            budget_left_minor=self.budget_left,
        )

    def as_saved(self) -> tuple[str, UUID, Progress, bool]:
        """This method will return what has to be stored after it has advanced."""
        return self.row.project, self.row.id, self.progress, self.is_used_up

    def advance(self, applied: Applied, *, start: date, currency: str) -> None:
        """This method will note what was taken off in the period that starts then."""
        taken = self.taken[start]
        taken[currency] = taken.get(currency, 0) + applied.amount_minor
        self.progress = applied.progress
        self.has_advanced = True
        if self.budget_left is not None:
            self.budget_left[currency] -= applied.amount_minor
        if applied.balance is not None and self.taken_in_all is not None:
            self.taken_in_all[currency] = self.taken_in_all.get(currency, 0) + applied.amount_minor
            self.is_used_up = applied.balance.is_used_up

    def take_back(self, sum_given_back: AmountsGivenBack) -> None:
        """This method will leave out what reversals have given back of what was taken."""
        for (start, currency), amount_minor in sum_given_back.items():
            for taken in (self.taken.get(start), self.taken_in_all):
                if taken is not None:
                    taken[currency] -= amount_minor
        # A period of which nothing is left is new again.
        for by_currency in self.taken.values():
            for currency in [name for name, each in by_currency.items() if not each]:
                del by_currency[currency]


class InvoiceBatch:
    """What the locked rows said, and what this batch has decided on top of it."""

    def __init__(
        self, *, applied_at: datetime, discounts: Sequence[StoredRow], first_answers: FirstAnswers, budgets: Budgets
    ) -> None:
        self.applied_at = applied_at
        self.first_answers = first_answers
        self.budgets = budgets
        self.granted: defaultdict[SubscriptionKey, list[_Granted]] = defaultdict(list)
        self.invoices: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        # In the order redeemed, which is the order in which they are applied.
        for row in sorted(discounts, key=attrgetter("created_at", "id")):
            granted = _Granted(row=row, progress=progress_of(row), budget_left=budgets.left_of(row))
            self.granted[row.project, row.subscription].append(granted)

    @classmethod
    def locked(cls, session: Session, invoices: Sequence[Apply]) -> "InvoiceBatch":
        """This method will lock what the invoices' subscriptions were granted, and read all that is needed."""
        discounts = lock_discounts(session, subscriptions=[(each.project, each.subscription) for each in invoices])
        stored = find_invoices(session, keys=[(each.project, each.invoice) for each in invoices])
        first_answers = FirstAnswers({key: (row.fingerprint, row.answer) for key, row in stored.items()})
        budgets = Budgets.locked(session, discounts=discounts, invoices=invoices)
        batch = cls(applied_at=read_clock(session), discounts=discounts, first_answers=first_answers, budgets=budgets)
        batch.read_taken(session, invoices)
        batch.read_balances(session)
        batch.read_given_back(session)
        return batch

    def read_taken(self, session: Session, invoices: Sequence[Apply]) -> None:
        """This method will read what the discounts took in the invoices' periods already."""
        wanted: list[tuple[_Granted, date]] = []
        for invoice in invoices:
            start = self.period_of(invoice).start
            for granted in self.granted[invoice.project, invoice.subscription]:
                if start not in granted.taken:
                    granted.taken[start] = {}
                    wanted.append((granted, start))
        keys = [(granted.row.project, granted.row.id, start) for granted, start in wanted]
        for (granted, start), taken in zip(wanted, taken_in_periods(session, keys=keys), strict=True):
            granted.taken[start] = taken

    def read_balances(self, session: Session) -> None:
        """This method will read what the discounts that carry over took in all; without one it asks nothing."""
        balances = [each for granted in self.granted.values() for each in granted if each.row.carry_over]
        if balances:
            keys = [(each.row.project, each.row.id) for each in balances]
            for each, taken in zip(balances, taken_in_all(session, keys=keys), strict=True):
                each.taken_in_all = taken

    def read_given_back(self, session: Session) -> None:
        """This method will leave out of that what reversals gave back; where there was none it asks nothing."""
        reversed_ = [each for granted in self.granted.values() for each in granted if each.row.entries_given_back]
        if reversed_:
            keys = [(each.row.project, each.row.id) for each in reversed_]
            for each, amounts in zip(reversed_, sum_given_back(session, keys=keys), strict=True):
                each.take_back(amounts)

    def period_of(self, invoice: Apply) -> Period:
        """This method will return the invoice's period; for a one-off purchase it is the day of the application."""
        if invoice.period is not None:
            return Period(start=invoice.period.start, end=invoice.period.end)
        today = self.applied_at.date()
        return Period(start=today, end=today + timedelta(days=1))

    def decide(self, invoice: Apply) -> Answer:
        """This method will answer one invoice, from what was stored for it or by the rules."""
        key: CallerKey = (invoice.project, invoice.invoice)
        fingerprint = invoice.fingerprint()
        answer = self.first_answers.replay(
            key, fingerprint=fingerprint, conflict=lambda: invoice_conflict_answer(invoice)
        )
        if answer is None:
            answer = self.apply(invoice, fingerprint=fingerprint)
            self.first_answers.add(key, fingerprint=fingerprint, answer=answer)
        return answer

    def apply(self, invoice: Apply, *, fingerprint: bytes) -> Answer:
        """This method will discount a new invoice and note what has to be written."""
        period = self.period_of(invoice)
        granted = self.granted[invoice.project, invoice.subscription]
        discounts = [
            each.as_discount(
                start=period.start, starts_on=each.row.starts_on if invoice.period else each.row.starts_on_in_utc
            )
            for each in granted
        ]
        results = apply_discounts(_invoice_of(invoice, period=period), discounts=discounts)
        for result in results:
            if isinstance(result, Applied):
                granted[discounts.index(result.discount)].advance(result, start=period.start, currency=invoice.currency)
                self.add_entry(result, invoice=invoice, period=period)
        answer = invoice_answer(invoice, results=results, applied_at=self.applied_at)
        self.invoices.append(
            {
                "project": invoice.project,
                "invoice": invoice.invoice,
                "fingerprint": fingerprint,
                "subscription": invoice.subscription,
                "customer": invoice.customer,
                "answer": to_json(answer).decode(),
                "applied_at": self.applied_at,
            }
        )
        return answer

    def add_entry(self, applied: Applied, *, invoice: Apply, period: Period) -> None:
        """This method will note the entry of the ledger for what a discount took off."""
        self.entries.append(
            {
                "project": invoice.project,
                "id": new_id(),
                "discount_id": applied.discount.id,
                "invoice": invoice.invoice,
                "period_start": period.start,
                "period_end": period.end,
                "currency": invoice.currency,
                "amount_minor": applied.amount_minor,
                "created_at": self.applied_at,
            }
        )

    def write(self, session: Session) -> None:
        """This method will write what was decided: one statement for each table."""
        advanced = (each for granted in self.granted.values() for each in granted if each.has_advanced)
        add_invoices(session, rows=self.invoices)
        add_entries(session, rows=self.entries)
        save_progress(session, progress=[each.as_saved() for each in advanced])
        self.budgets.save(session)


def _invoice_of(invoice: Apply, *, period: Period) -> Invoice:
    lines = [
        Line(id=each.id, amount_minor=each.amount, product=each.product, discountable=each.discountable)
        for each in invoice.lines
    ]
    return Invoice(currency=invoice.currency, period=period, lines=lines, trial=invoice.trial)
