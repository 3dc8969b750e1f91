"""A batch of invoices: lock and read, then decide each invoice in memory, then write with one statement per table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy.orm import Session

from domain.invoice import Applied, Invoice, Line, apply_discounts
from domain.notice import Notice, notices_of
from domain.recurrence import Period, is_between_cycles
from domain.terms import RecurrenceType
from models.base import new_id, read_clock
from models.discounts.progress import advance_discounts
from models.discounts.row_types import DiscountRow
from models.discounts.values import progress_of
from models.invoices.latest_reversal import find_latest_reversals
from models.invoices.ledger import add_entries, add_invoices, find_invoices
from models.invoices.stored_answer import stored_answer
from models.vouchers.given import GivenKey, add_given
from tasks.invoices.answers import (
    credited_since,
    invoice_answer,
    invoice_conflict_answer,
    refused_credit_answer,
    replayed_invoice_answer,
)
from tasks.invoices.budgets import Budgets
from tasks.invoices.credits import Credit, Credits, RefusedCredit, lock_discounts
from tasks.invoices.granted_discounts import (
    GrantedDiscount,
    read_cycles,
    read_given_back,
    read_of_all_cycles,
    read_taken,
)
from tasks.invoices.messages import Apply
from tasks.wire.answers import Answer
from tasks.wire.replay import CallerKey, FirstAnswers


class InvoiceBatch:
    """The discounts that cover a batch of invoices, and the decisions of the batch so far."""

    def __init__(
        self,
        *,
        applied_at: datetime,
        discounts: Sequence[DiscountRow],
        first_answers: FirstAnswers,
        budgets: Budgets,
        credits_: Credits | None = None,
    ) -> None:
        self.applied_at = applied_at
        self._first_answers = first_answers
        self._budgets = budgets
        self._credits = credits_ or Credits()
        # By project and subscription.
        self._granted: defaultdict[tuple[str, str], list[GrantedDiscount]] = defaultdict(list)
        self._new_invoices: list[dict[str, Any]] = []
        self._new_entries: list[dict[str, Any]] = []
        self._given: defaultdict[GivenKey, int] = defaultdict(int)
        # Discounts are applied in the order redeemed.
        for row in sorted(discounts, key=attrgetter("created_at", "id")):
            granted = GrantedDiscount(
                key=(row.project, row.id),
                row=row,
                progress=progress_of(row),
                budget_left_minor=budgets.left_of(row),
            )
            self._granted[row.project, row.subscription].append(granted)
        self._by_key = {each.key: each for each in self.discounts()}

    @classmethod
    def locked(cls, session: Session, invoices: Sequence[Apply]) -> "InvoiceBatch":
        """Lock the discounts of the invoices' subscriptions, then their budgets, and read the amounts taken so far.

        With credit lines, also lock and read the credited invoices.
        """
        discounts, credits_ = lock_discounts(session, invoices)
        first_answers = _read_first_answers(session, invoices)
        credits_.check_complete(first_answers)
        budgets = Budgets.locked(session, discounts=discounts, invoices=invoices)
        batch = cls(
            applied_at=read_clock(session),
            discounts=discounts,
            first_answers=first_answers,
            budgets=budgets,
            credits_=credits_,
        )
        read_taken(session, list(batch.cycles(invoices)))
        read_cycles(session, batch.with_cycles_around(invoices))
        read_of_all_cycles(session, batch.discounts())
        read_given_back(session, batch.discounts())
        return batch

    def discounts(self) -> list[GrantedDiscount]:
        """Return the discounts of all subscriptions of the batch, each in the order redeemed."""
        return [each for granted in self._granted.values() for each in granted]

    def cycles(self, invoices: Sequence[Apply]) -> Iterator[tuple[GrantedDiscount, date]]:
        """Yield each discount with the start of each cycle for which its subscription has an invoice."""
        starts = ((each.project, each.subscription, self.cycle_of(each).start) for each in invoices)
        for project, subscription, start in dict.fromkeys(starts):
            for granted in self._granted[project, subscription]:
                yield granted, start

    def with_cycles_around(self, invoices: Sequence[Apply]) -> list[GrantedDiscount]:
        """Return the discounts with a cycle that may contain the start of an invoice that names no cycle."""
        without_cycle = [each for each in invoices if each.cycle is None]
        found = {
            granted.key: granted
            for granted, start in self.cycles(without_cycle)
            if is_between_cycles(start, progress=granted.progress)
        }
        return list(found.values())

    def period_of(self, invoice: Apply) -> Period:
        """Return the invoice's period. For a one-off purchase without a period it is the present day in UTC."""
        if invoice.period is not None:
            return Period(start=invoice.period.start, end=invoice.period.end)
        today = self.applied_at.date()
        return Period(start=today, end=today + timedelta(days=1))

    def cycle_of(self, invoice: Apply) -> Period:
        """Return the subscription's billing cycle to which the invoice belongs: its period, if it names no other."""
        if invoice.cycle is not None:
            return Period(start=invoice.cycle.start, end=invoice.cycle.end)
        return self.period_of(invoice)

    def decide(self, invoice: Apply) -> Answer:
        """Return the first answer to a known invoice, a conflict if its body has changed, or discount a new invoice.

        The first answer to an invoice that was reversed since says so. An invoice whose credits are refused is not
        discounted, and leaves nothing behind: it can be sent again.
        """
        key: CallerKey = (invoice.project, invoice.invoice)
        fingerprint = invoice.fingerprint()
        answer = self._first_answers.replay(
            key, fingerprint=fingerprint, conflict=lambda: invoice_conflict_answer(invoice)
        )
        if answer is not None:
            return answer
        credits_ = self._credits.give_back(invoice, at=self.applied_at)
        if isinstance(credits_, RefusedCredit):
            return refused_credit_answer(invoice, refused=credits_)
        self._give_back(credits_, currency=invoice.currency)
        entries_before = len(self._new_entries)
        answer = self.discount(invoice, credits_=credits_)
        self._first_answers.add(key, fingerprint=fingerprint, answer=answer)
        self._new_invoices.append(self._invoice_row(invoice, fingerprint=fingerprint, answer=answer))
        self._credits.add_invoice(invoice, answer=answer, entries=self._new_entries[entries_before:])
        return answer

    def _give_back(self, credits_: Sequence[Credit], *, currency: str) -> None:
        for credit in credits_:
            project, _ = credit.credited
            self._first_answers.change(credit.credited, reversed=credited_since(self.applied_at))
            for each in credit.shares:
                granted = self._by_key.get((project, each.discount_id))
                if granted is not None:
                    granted.give_back(each.amount_minor, cycle_start=each.cycle_start, currency=currency)
                self._given[project, each.voucher_id, currency] -= each.amount_minor

    def discount(self, invoice: Apply, *, credits_: Sequence[Credit] = ()) -> Answer:
        """Apply the discounts to an invoice, and advance each discount that took an amount off.

        The credits of the invoice come first, so the invoice can use what they have refilled.
        """
        cycle = self.cycle_of(invoice)
        granted = {each.key[1]: each for each in self._granted[invoice.project, invoice.subscription]}
        is_dated = invoice.cycle is not None or invoice.period is not None
        discounts = [
            each.at_cycle(cycle.start, starts_on=each.row.starts_on if is_dated else each.row.starts_on_in_utc)
            for each in granted.values()
        ]
        notices = self._notices(invoice, granted=granted.values())
        results = apply_discounts(_invoice_of(invoice, cycle=cycle), discounts=discounts)
        for result in results:
            if isinstance(result, Applied):
                granted[result.discount.id].advance(result, cycle=cycle, currency=invoice.currency)
                self._new_entries.append(self._entry_row(result, invoice=invoice, cycle=cycle))
                self._given[invoice.project, result.discount.voucher_id, invoice.currency] += result.amount_minor
        return invoice_answer(invoice, results=results, credits_=credits_, notices=notices, applied_at=self.applied_at)

    def _notices(self, invoice: Apply, *, granted: Iterable[GrantedDiscount]) -> list[Notice]:
        if invoice.cycle is not None:
            return []
        # The only invoice of a `once` discount is over, so a mistake about its cycle takes nothing from anybody.
        repeated = (each for each in granted if each.row.recurrence != RecurrenceType.ONCE)
        cycles = (cycle for each in repeated for cycle in each.cycles)
        return notices_of(self.period_of(invoice), discounted_cycles=cycles)

    def write(self, session: Session) -> None:
        """Add the new invoices and ledger entries, and store the progress of the discounts and the sums of vouchers."""
        add_invoices(session, rows=self._new_invoices)
        add_entries(session, rows=self._new_entries)
        advanced = [(each.key, each.progress, each.is_used_up) for each in self.discounts() if each.has_advanced]
        advance_discounts(session, progress=advanced, at=self.applied_at)
        self._credits.write(session, at=self.applied_at)
        self._budgets.save(session)
        add_given(session, given=self._given)

    def _invoice_row(self, invoice: Apply, *, fingerprint: bytes, answer: Answer) -> dict[str, Any]:
        return {
            "project": invoice.project,
            "invoice": invoice.invoice,
            "fingerprint": fingerprint,
            "subscription": invoice.subscription,
            "customer": invoice.customer,
            "answer": stored_answer(answer),
            "applied_at": self.applied_at,
        }

    def _entry_row(self, applied: Applied, *, invoice: Apply, cycle: Period) -> dict[str, Any]:
        period = self.period_of(invoice)
        return {
            "project": invoice.project,
            "id": new_id(),
            "discount_id": applied.discount.id,
            "invoice": invoice.invoice,
            "period_start": period.start,
            "period_end": period.end,
            "cycle_start": cycle.start,
            "cycle_end": cycle.end,
            "currency": invoice.currency,
            "amount_minor": applied.amount_minor,
            "created_at": self.applied_at,
            "phase": applied.discount.phase,
        }


def _read_first_answers(session: Session, invoices: Sequence[Apply]) -> FirstAnswers:
    stored = find_invoices(session, keys=[(each.project, each.invoice) for each in invoices])
    reversals = find_latest_reversals(session, keys=stored) if stored else {}
    return FirstAnswers(
        {
            key: (row.fingerprint, replayed_invoice_answer(row.answer, reversal=reversals.get(key)))
            for key, row in stored.items()
        }
    )


def _invoice_of(invoice: Apply, *, cycle: Period) -> Invoice:
    lines = [
        Line(id=each.id, amount_minor=each.amount, product=each.product, discountable=each.discountable)
        for each in invoice.lines
    ]
    return Invoice(currency=invoice.currency, cycle=cycle, lines=lines, trial=invoice.trial)
