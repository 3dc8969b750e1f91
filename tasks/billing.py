"""Applying discounts to invoices: a batch of invoices, one transaction, the same number of statements for any size."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy.orm import Session

from domain.invoice import Applied, Discount, Invoice, Line, apply_discounts
from domain.recurrence import Period, Progress
from models.base import StoredRow, new_id, read_clock
from models.discount import granted_discount_of, lock_discounts, progress_of, save_progress
from models.usage import PeriodKey, add_entries, add_invoices, find_invoices, taken_in_periods
from tasks.answers import invoice_answer, invoice_conflict_answer
from tasks.messages import Apply, ApplyMany
from tasks.wire import Answer, answer_each, contract_task
from worker.db import run_in_transaction

DiscountKey = tuple[str, UUID]


@contract_task("billing.apply", message=Apply)
def apply(request: Apply) -> Answer:
    """This task will discount one invoice."""
    return run_in_transaction(lambda session: apply_all(session, [request]))[0]


@contract_task("billing.apply_many", message=ApplyMany)
def apply_many(request: ApplyMany) -> Answer:
    """This task will discount up to 1,000 invoices, in the order sent."""
    return answer_each(
        request.invoices,
        message=Apply,
        decide=lambda invoices: run_in_transaction(lambda session: apply_all(session, invoices)),
    )


def apply_all(session: Session, invoices: Sequence[Apply]) -> list[Answer]:
    """This function will discount the invoices in their order and answer each of them.

    It locks what the subscriptions were granted, looks at what was taken already, decides in memory, and writes
    once. An invoice that was answered before is answered as then. A unique violation means that another batch
    answered one of the invoices at the same moment: run the batch again in a new transaction.
    """
    batch = _Batch.locked(session, invoices)
    answers = [batch.decide(invoice) for invoice in invoices]
    batch.write(session)
    return answers


class _Batch:
    """What the locked rows said, and what this batch has decided on top of it."""

    def __init__(self, *, applied_at: datetime, discounts: Sequence[StoredRow]) -> None:
        self.applied_at = applied_at
        self.answered: dict[tuple[str, str], tuple[bytes, Answer]] = {}
        self.taken: dict[PeriodKey, dict[str, int]] = {}
        self.granted: defaultdict[tuple[str, str], list[StoredRow]] = defaultdict(list)
        self.progress: dict[DiscountKey, Progress] = {}
        self.advanced: set[DiscountKey] = set()
        self.invoices: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        # In the order redeemed, which is the order in which they are applied.
        for row in sorted(discounts, key=lambda each: (each.created_at, each.id)):
            self.granted[row.project, row.subscription].append(row)
            self.progress[row.project, row.id] = progress_of(row)

    @classmethod
    def locked(cls, session: Session, invoices: Sequence[Apply]) -> "_Batch":
        """This method will lock what the invoices' subscriptions were granted, and read all that is needed."""
        discounts = lock_discounts(session, subscriptions=[(each.project, each.subscription) for each in invoices])
        stored = find_invoices(session, keys=[(each.project, each.invoice) for each in invoices])
        batch = cls(applied_at=read_clock(session), discounts=discounts)
        batch.answered = {key: (row.fingerprint, row.answer) for key, row in stored.items()}
        batch.taken = taken_in_periods(session, keys=[key for each in invoices for key in batch.period_keys(each)])
        return batch

    def period_keys(self, invoice: Apply) -> list[PeriodKey]:
        """This method will name each discount of the invoice's subscription in the invoice's period."""
        start = self.period_of(invoice).start
        granted = self.granted[invoice.project, invoice.subscription]
        return [(invoice.project, row.id, start) for row in granted]

    def period_of(self, invoice: Apply) -> Period:
        """This method will return the invoice's period; for a one-off purchase it is the day of the application."""
        if invoice.period is not None:
            return Period(start=invoice.period.start, end=invoice.period.end)
        today = self.applied_at.date()
        return Period(start=today, end=today + timedelta(days=1))

    def decide(self, invoice: Apply) -> Answer:
        """This method will answer one invoice, from what was stored for it or by the rules."""
        key, fingerprint = (invoice.project, invoice.invoice), invoice.fingerprint()
        if key in self.answered:
            known, answer = self.answered[key]
            return answer if known == fingerprint else invoice_conflict_answer(invoice)
        answer = self.apply(invoice, fingerprint=fingerprint)
        self.answered[key] = (fingerprint, answer)
        return answer

    def apply(self, invoice: Apply, *, fingerprint: bytes) -> Answer:
        """This method will discount a new invoice and note what has to be written."""
        period = self.period_of(invoice)
        results = apply_discounts(
            _invoice_of(invoice, period=period), discounts=self.discounts_of(invoice, start=period.start)
        )
        for result in results:
            if isinstance(result, Applied):
                self.take(result, invoice=invoice, period=period)
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

    def discounts_of(self, invoice: Apply, *, start: date) -> list[Discount]:
        """This method will return what the subscription was granted, this batch's invoices counted."""
        return [
            granted_discount_of(
                row,
                progress=self.progress[row.project, row.id],
                taken_minor=self.taken.get((row.project, row.id, start), {}),
                starts_on=row.starts_on if invoice.period else row.starts_on_in_utc,
            )
            for row in self.granted[invoice.project, invoice.subscription]
        ]

    def take(self, applied: Applied, *, invoice: Apply, period: Period) -> None:
        """This method will note that a discount took something off."""
        key = (invoice.project, applied.discount.id)
        taken = self.taken.setdefault((*key, period.start), {})
        taken[invoice.currency] = taken.get(invoice.currency, 0) + applied.amount_minor
        self.progress[key] = applied.progress
        self.advanced.add(key)
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
        add_invoices(session, rows=self.invoices)
        add_entries(session, rows=self.entries)
        save_progress(session, progress={key: self.progress[key] for key in self.advanced})


def _invoice_of(invoice: Apply, *, period: Period) -> Invoice:
    lines = [
        Line(id=each.id, amount_minor=each.amount, product=each.product, discountable=each.discountable)
        for each in invoice.lines
    ]
    return Invoice(currency=invoice.currency, period=period, lines=lines, trial=invoice.trial)
