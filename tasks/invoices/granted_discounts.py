"""The discounts that a batch of invoices works on, each with the amounts that it has taken so far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy.orm import Session

from domain.invoice import Applied, Discount
from domain.recurrence import Period, Progress
from models.discounts.imported import find_imported, progress_before
from models.discounts.locks import DiscountKey
from models.discounts.row_types import DiscountRow
from models.discounts.values import granted_discount_of
from models.invoices.discounted_cycles import discounted_cycles, discounted_phases
from models.invoices.given_back import AmountsGivenBack, sum_credited, sum_given_back
from models.invoices.taken import taken_in_cycles, taken_in_total
from models.vouchers.total import total_minor_of


@dataclass(slots=True)
class GrantedDiscount:
    """A discount as the database had it when the batch began, and the progress that the batch has made since.

    Amounts are in minor units by currency. Those of the ledger are read by the functions below.
    """

    key: DiscountKey
    row: DiscountRow
    progress: Progress
    # The rest of the voucher's budget. All discounts of the voucher share this dictionary.
    budget_left_minor: dict[str, int] | None = None
    # By the start of the cycle, for each cycle of the batch.
    taken_minor: dict[date, dict[str, int]] = field(default_factory=dict)
    # Of all cycles and without refunds, if the discount has a total.
    taken_in_total_minor: dict[str, int] | None = None
    # Of a ramp: the number of the phase of each cycle that it has discounted, by the cycle's start.
    phase_by_cycle: dict[date, int] = field(default_factory=dict)
    has_advanced: bool = False
    is_used_up: bool = False
    # The cycles that the discount has discounted on its subscription: of the batch, and those that `read_cycles` has
    # read.
    cycles: list[Period] = field(default_factory=list)
    # The progress that an imported discount came with.
    elsewhere: Progress = field(default_factory=Progress)

    def at_cycle(self, start: date, *, starts_on: date) -> Discount:
        """Return the discount as the rules need it for an invoice of the cycle that begins on `start`."""
        return granted_discount_of(
            self.row,
            progress=self.progress,
            taken_minor=self.taken_minor[start],
            taken_in_total_minor=self.taken_in_total_minor,
            starts_on=starts_on,
            cycle_start=start,
            phase_by_cycle=self.phase_by_cycle,
            budget_left_minor=self.budget_left_minor,
            elsewhere=self.elsewhere,
        )

    def advance(self, applied: Applied, *, cycle: Period, currency: str) -> None:
        """Record an amount that the discount took off an invoice of the cycle."""
        self.cycles.append(cycle)
        taken = self.taken_minor[cycle.start]
        taken[currency] = taken.get(currency, 0) + applied.amount_minor
        self.progress = applied.progress
        if applied.discount.phase is not None:
            self.phase_by_cycle[cycle.start] = applied.discount.phase
        self.has_advanced = True
        if self.budget_left_minor is not None:
            self.budget_left_minor[currency] -= applied.amount_minor
        if applied.balance is not None and self.taken_in_total_minor is not None:
            self.taken_in_total_minor[currency] = self.taken_in_total_minor.get(currency, 0) + applied.amount_minor
            self.is_used_up = applied.balance.is_used_up

    def give_back(self, amount_minor: int, *, cycle_start: date, currency: str) -> None:
        """Record that a credit gave back a part of what the discount took in the cycle. The cycle still counts."""
        if cycle_start in self.taken_minor:
            self.taken_minor[cycle_start][currency] -= amount_minor
        if self.taken_in_total_minor is not None:
            self.taken_in_total_minor[currency] -= amount_minor
            self.is_used_up = self.is_used_up and not amount_minor

    def subtract_credited(self, credited: AmountsGivenBack) -> None:
        """Subtract the amounts that are credited from those of the cycles, which count even if nothing is left."""
        for (start, currency), amount_minor in credited.items():
            if start in self.taken_minor:
                self.taken_minor[start][currency] -= amount_minor

    def subtract(self, given_back: AmountsGivenBack) -> None:
        """Subtract the amounts of the ledger entries that reversals gave back from those of the cycles."""
        for (start, currency), amount_minor in given_back.items():
            if start in self.taken_minor:
                self.taken_minor[start][currency] -= amount_minor
        # To the rules, a cycle is new if nothing was taken in it. So it must not keep amounts of 0.
        for by_currency in self.taken_minor.values():
            for currency in [name for name, amount_minor in by_currency.items() if not amount_minor]:
                del by_currency[currency]


def read_taken(session: Session, cycles: Sequence[tuple[GrantedDiscount, date]]) -> None:
    """Read the amount that each discount took in the cycle that begins on the date."""
    keys = [(*granted.key, start) for granted, start in cycles]
    for (granted, start), taken in zip(cycles, taken_in_cycles(session, keys=keys), strict=True):
        granted.taken_minor[start] = taken


def read_cycles(session: Session, discounts: Sequence[GrantedDiscount]) -> None:
    """Read the cycles that the discounts have discounted on their subscriptions. Without any, send no statement."""
    if discounts:
        placed = [(*each.key, each.row.subscription) for each in discounts]
        for each, cycles in zip(discounts, discounted_cycles(session, placed=placed), strict=True):
            each.cycles += cycles


def read_of_all_cycles(session: Session, discounts: Sequence[GrantedDiscount]) -> None:
    """Read what was taken of totals, the phases of ramps, and what imported discounts had done elsewhere.

    If no discount is any of these, send no statement.
    """
    _read_taken_in_total(session, discounts)
    _read_phases(session, discounts)
    _read_imported(session, discounts)


def _read_imported(session: Session, discounts: Iterable[GrantedDiscount]) -> None:
    imported = {each.key: each for each in discounts if each.row.is_imported}
    for key, row in find_imported(session, keys=imported).items():
        granted = imported[key]
        granted.elsewhere = progress_before(row)
        if row.last_cycle_start and row.last_cycle_end and row.subscription == granted.row.subscription:
            granted.cycles.append(Period(start=row.last_cycle_start, end=row.last_cycle_end))


def _read_taken_in_total(session: Session, discounts: Iterable[GrantedDiscount]) -> None:
    # Without reversed amounts.
    with_total = [each for each in discounts if total_minor_of(each.row) is not None]
    if with_total:
        taken_of_each = taken_in_total(session, keys=[each.key for each in with_total])
        for each, taken in zip(with_total, taken_of_each, strict=True):
            each.taken_in_total_minor = taken


def _read_phases(session: Session, discounts: Iterable[GrantedDiscount]) -> None:
    ramps = [each for each in discounts if each.row.phases is not None]
    if ramps:
        phases = discounted_phases(session, keys=[each.key for each in ramps])
        for each, phase_by_cycle in zip(ramps, phases, strict=True):
            each.phase_by_cycle = phase_by_cycle


def read_given_back(session: Session, discounts: Sequence[GrantedDiscount]) -> None:
    """Subtract the amounts given back and credited from those of the cycles.

    If nothing was given back or credited, send no statement.
    """
    reversed_ = [each for each in discounts if each.row.entries_given_back]
    if reversed_:
        sums = sum_given_back(session, keys=[each.key for each in reversed_])
        for each, given_back in zip(reversed_, sums, strict=True):
            each.subtract(given_back)
    credited = [each for each in discounts if each.row.entries_credited]
    if credited:
        sums = sum_credited(session, keys=[each.key for each in credited])
        for each, amounts in zip(credited, sums, strict=True):
            each.subtract_credited(amounts)
