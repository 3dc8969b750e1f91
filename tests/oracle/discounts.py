"""Vouchers, discounts and what the discounts took off, with the progress that follows from the invoices that stand."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from math import floor
from typing import Any

from tests.oracle.amounts import months_later


@dataclass(frozen=True, order=True)
class Cycle:
    """A billing cycle, whose end is exclusive."""

    start: date
    end: date


@dataclass
class Entry:
    """What a discount took off an invoice, by line."""

    currency: str
    cycle: Cycle
    parts: dict[str, int]
    # The number of the phase of the cycle, if the voucher is a ramp.
    phase: int | None = None
    # The shares of all refunds, by line, and those of all credits that were not taken back.
    refunded: Counter[str] = field(default_factory=Counter)
    credited: Counter[str] = field(default_factory=Counter)
    # Whether the cycle was not given back.
    stands: bool = True

    @property
    def amount(self) -> int:
        """Return the amount before refunds and credits."""
        return sum(self.parts.values())

    @property
    def used(self) -> int:
        """Return the amount of the cycle's allowance that is used: credits refill it, refunds do not."""
        return self.amount - self.credited.total()

    def rest_of(self, line: str) -> int:
        """Return the part of a line that no refund or credit has taken back."""
        return self.parts.get(line, 0) - self.refunded[line] - self.credited[line]

    @property
    def rest(self) -> int:
        """Return the amount that no refund or credit has taken back."""
        return self.used - self.refunded.total()


def amounts_of(price: dict[str, Any] | None) -> dict[str, int] | None:
    """Return the amount of each currency, or None without a price."""
    return price and {price["currency"]: price["amount"], **price.get("currencyOptions", {})}


@dataclass
class Voucher:
    """The terms of a voucher, as created, and all discounts that were granted."""

    id: str
    body: dict[str, Any]
    discounts: list["Discount"] = field(default_factory=list)

    def __post_init__(self) -> None:
        recurrence = self.body["recurrence"]
        self.type: str = recurrence["type"]
        self.phases: list[dict[str, Any]] = recurrence.get("phases") or []
        self.months, self.cycles = (
            sum(each[name] for each in self.phases) if self.phases and name in self.phases[0] else recurrence.get(name)
            for name in ("durationInMonths", "durationInCycles")
        )
        self.carries_over: bool = self.body.get("carryOver", False)
        self.exclusive: bool = self.body.get("exclusive", False)
        self.priority: int = self.body.get("priority", 500)
        self.percentage: str | None = self.body.get("priceDiscountPercentage")
        restrictions = self.body.get("restrictions", {})
        self.products: list[str] | None = restrictions.get("products")
        self.excluded: list[str] | None = restrictions.get("excludedProducts")
        minimum = restrictions.get("minimumSubtotal")
        self.minimum: dict[str, Any] | None = minimum if minimum and minimum["on"] == "invoice" else None
        self.price, self.maximum, self.in_all, self.budget = (
            amounts_of(self.body.get(name))
            for name in ("priceDiscount", "maximumDiscount", "maximumDiscountInAll", "budget")
        )
        # The most that each discount gives over its life, if there is such a limit.
        self.total = self.price if self.carries_over else self.in_all

    def price_of(self, phase: int | None) -> tuple[Any, dict[str, int] | None]:
        """Return the percentage and the amounts of a phase, or of a voucher without phases; one of them is None."""
        if phase is None:
            return self.percentage, self.price
        of_phase = self.phases[phase - 1]
        return of_phase.get("priceDiscountPercentage"), amounts_of(of_phase.get("priceDiscount"))

    def all_currencies(self) -> list[str]:
        """Return the currencies that each amount of the voucher names, the one that is shown first before others."""
        prices = [self.price] if self.price else [amounts_of(each.get("priceDiscount")) for each in self.phases]
        named = [each for each in prices if each]
        return [each for each in (named[0] if named else {}) if all(each in other for other in named)]

    def given(self) -> dict[str, int]:
        """Return what all discounts took off, minus reversals, by currency."""
        return self._sums("rest")

    def spent(self) -> dict[str, int] | None:
        """Return the used part of the budget, which no refund or credit refills, with what was taken before."""
        if self.budget is None:
            return None
        before = [each.before.taken for each in self.discounts if each.before]
        taken = self._sums("amount")
        return {each: taken.get(each, 0) + sum(one.get(each, 0) for one in before) for each in self.budget}

    def left(self, currency: str) -> int | None:
        """Return the rest of the budget in a currency, or None if the budget does not name it."""
        return (self.unspent() or {}).get(currency)

    def unspent(self) -> dict[str, int] | None:
        """Return the rest of the budget, by currency."""
        spent = self.spent() or {}
        return self.budget and {currency: amount - spent[currency] for currency, amount in self.budget.items()}

    def _sums(self, name: str) -> dict[str, int]:
        sums: dict[str, int] = {}
        for entry in (each for discount in self.discounts for each in discount.standing()):
            sums[entry.currency] = sums.get(entry.currency, 0) + getattr(entry, name)
        return {currency: amount for currency, amount in sums.items() if amount}


@dataclass(frozen=True)
class Before:
    """What an imported discount had had in another system: the first cycle's start, the last cycle, and amounts."""

    first: date
    last: Cycle
    cycles: int
    taken: dict[str, int]


@dataclass
class Discount:
    """A discount of a subscription."""

    id: str
    voucher: Voucher
    products: list[str] | None
    excluded: list[str] | None
    starts_on: date
    # The same for an invoice without a period and a cycle, whose day is that in UTC.
    starts_on_in_utc: date
    status: str = "running"
    entries: list[Entry] = field(default_factory=list)
    # None if the discount was redeemed here, or had begun nowhere.
    before: Before | None = None
    # The instant of the redemption in another system.
    redeemed_at: datetime | None = None

    def is_restricted(self) -> bool:
        """Return whether the discount names products, either to discount or to exclude."""
        return bool(self.products or self.excluded)

    def is_for(self, product: str | None) -> bool:
        """Return whether the discount is for lines of a product."""
        return product not in (self.excluded or []) and (not self.products or product in self.products)

    def standing(self) -> list[Entry]:
        """Return the entries whose cycle was not given back."""
        return [each for each in self.entries if each.stands]

    def starts(self) -> set[date]:
        """Return the starts of the cycles that are known."""
        own = {each.cycle.start for each in self.standing()}
        return own if self.before is None else own | {self.before.first, self.before.last.start}

    def was_before(self, start: date) -> bool:
        """Return whether a cycle lies among those that another system discounted."""
        return self.before is not None and self.before.first <= start <= self.before.last.start

    def cycles(self) -> int:
        """Return how many distinct cycles were discounted, here and before."""
        new = {each for each in self.starts() if not self.was_before(each)}
        return len(new) + (self.before.cycles if self.before else 0)

    def balance(self, currency: str) -> int:
        """Return the rest of the total, which refunds and credits refill. It is negative if it is exceeded."""
        before = list(self.before.taken.items()) if self.before else []
        here = [(each.currency, each.rest) for each in self.standing()]
        return self._left(self.voucher.total, currency, [*before, *here])

    def allowance(self, currency: str, cycle: Cycle) -> int:
        """Return the rest of the fixed amount of a cycle, which credits refill. It is negative if it is exceeded."""
        if self.was_before(cycle.start):
            return 0
        same_cycle = (each for each in self.standing() if each.cycle.start == cycle.start)
        _, price = self.voucher.price_of(self.phase(cycle))
        return self._left(price, currency, [(each.currency, each.used) for each in same_cycle])

    @staticmethod
    def _left(price: dict[str, int] | None, currency: str, taken: list[tuple[str, int]]) -> int:
        assert price is not None
        used = sum((Fraction(amount, price[each]) for each, amount in taken), Fraction(0))
        return floor(price[currency] * (1 - used))

    def phase(self, cycle: Cycle) -> int | None:
        """Return the number of the phase that a covered cycle is in, or None without phases."""
        phase_of = {each.cycle.start: each.phase for each in self.standing()}
        if not self.voucher.phases or cycle.start in phase_of:
            return phase_of.get(cycle.start)
        end, had = 0, self.before.cycles if self.before else 0
        for number, each in enumerate(self.voucher.phases, start=1):
            if self.voucher.cycles is not None:
                begin, end = end, end + each["durationInCycles"]
                new = [phase for start, phase in phase_of.items() if not self.was_before(start)]
                taken = max(0, had - begin) + new.count(number)
                if had <= end if self.was_before(cycle.start) else taken < end - begin:
                    return number
                continue
            end += each["durationInMonths"]
            if cycle.start < months_later(min([*self.starts(), cycle.start]), end):
                return number
        raise AssertionError(cycle)

    def is_used_up(self) -> bool:
        """Return whether the discount has a total of which nothing is left."""
        total = self.voucher.total
        return total is not None and all(self.balance(each) <= 0 for each in total)

    def covers(self, cycle: Cycle) -> bool:
        """Return whether the discount is not over for an invoice of the cycle, whatever its `startsOn`."""
        starts = self.starts()
        if self.status == "ended" or self.is_used_up():
            return False
        if not starts or self.voucher.type == "forever":
            return True
        if self.voucher.cycles is not None:
            return cycle.start in starts or self.was_before(cycle.start) or self.cycles() < self.voucher.cycles
        if self.voucher.months is not None:
            return max(starts | {cycle.start}) < months_later(min(starts | {cycle.start}), self.voucher.months)
        return False

    def is_over(self, today: date) -> bool:
        """Return whether the one invoice has come, the total is used up, or the window has ended."""
        end = self.full_price_from()
        return self.is_used_up() or (self.voucher.type == "once" and end is not None) or (end or date.max) <= today

    def full_price_from(self) -> date | None:
        """Return the first day at full price, as far as it is known."""
        starts: set[date] = set()
        ends, had = ([self.before.last.end], self.before.cycles) if self.before else ([], 0)
        if self.voucher.type == "forever" or not self.starts():
            return None
        if self.voucher.months is not None:
            return months_later(min(self.starts()), self.voucher.months)
        if had == (self.voucher.cycles or 1):
            return max(ends)
        for each in self.standing():
            starts |= set() if self.was_before(each.cycle.start) else {each.cycle.start}
            ends.append(each.cycle.end)
            if had + len(starts) == (self.voucher.cycles or 1):
                return max(ends)
        return None


def run_again(discount: Discount, others: list[Discount], kind: str, today: date) -> None:
    """Let a completed discount run again after a reversal, unless its voucher runs through another redemption."""
    if discount.status != "completed" or discount.is_over(today):
        return
    if kind in ("refunded", "credited") and discount.voucher.total is None:
        return
    running = [each.voucher for each in others if each.status == "running"]
    if not any(each is discount.voucher for each in running) and not stands_alone(discount.voucher, running):
        discount.status = "running"


def stands_alone(voucher: Voucher, others: list[Voucher]) -> bool:
    """Return whether a voucher cannot be beside the others, because it or one of them is exclusive."""
    return bool(others) and any(each.exclusive for each in (voucher, *others))
