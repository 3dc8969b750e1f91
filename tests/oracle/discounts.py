"""Vouchers, discounts and what the discounts took off, with the progress that follows from the invoices that stand."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
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
        self.percentage: str | None = self.body.get("priceDiscountPercentage")
        restrictions = self.body.get("restrictions", {})
        self.products: list[str] | None = restrictions.get("products")
        self.excluded: list[str] | None = restrictions.get("excludedProducts")
        self.price, self.maximum, self.budget = (
            amounts_of(self.body.get(name)) for name in ("priceDiscount", "maximumDiscount", "budget")
        )

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
        """Return the used part of the budget, which no refund or credit refills."""
        return None if self.budget is None else {each: self._sums("amount").get(each, 0) for each in self.budget}

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
        """Return the starts of the distinct cycles."""
        return {each.cycle.start for each in self.standing()}

    def balance(self, currency: str) -> int:
        """Return the rest of the balance, which refunds and credits refill. It is negative if it is exceeded."""
        return self._left(self.voucher.price, currency, [(each.currency, each.rest) for each in self.standing()])

    def allowance(self, currency: str, cycle: Cycle) -> int:
        """Return the rest of the fixed amount of a cycle, which credits refill. It is negative if it is exceeded."""
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
        end = 0
        for number, each in enumerate(self.voucher.phases, start=1):
            if self.voucher.cycles is not None and list(phase_of.values()).count(number) < each["durationInCycles"]:
                return number
            end += each.get("durationInMonths", 0)
            if self.voucher.months is not None and cycle.start < months_later(min([*phase_of, cycle.start]), end):
                return number
        raise AssertionError(cycle)

    def is_used_up(self) -> bool:
        """Return whether the discount is a balance of which nothing is left."""
        return self.voucher.carries_over and all(self.balance(each) <= 0 for each in self.voucher.price or {})

    def covers(self, cycle: Cycle) -> bool:
        """Return whether the discount is not over for an invoice of the cycle, whatever its `startsOn`."""
        starts = self.starts()
        if self.status == "ended" or self.is_used_up():
            return False
        if not starts or self.voucher.type == "forever":
            return True
        if self.voucher.cycles is not None:
            return cycle.start in starts or len(starts) < self.voucher.cycles
        if self.voucher.months is not None:
            return max(starts | {cycle.start}) < months_later(min(starts | {cycle.start}), self.voucher.months)
        return False

    def is_over(self, today: date) -> bool:
        """Return whether the one invoice has come, the balance is used up, or the window has ended."""
        end = self.full_price_from()
        return self.is_used_up() or (self.voucher.type == "once" and end is not None) or (end or date.max) <= today

    def full_price_from(self) -> date | None:
        """Return the first day at full price, as far as it is known."""
        starts: set[date] = set()
        ends: list[date] = []
        if self.voucher.type == "forever" or not self.standing():
            return None
        if self.voucher.months is not None:
            return months_later(min(self.starts()), self.voucher.months)
        for each in self.standing():
            starts.add(each.cycle.start)
            ends.append(each.cycle.end)
            if len(starts) == (self.voucher.cycles or 1):
                return max(ends)
        return None


def run_again(discount: Discount, others: list[Discount], kind: str, today: date) -> None:
    """Let a completed discount run again after a reversal, unless its voucher runs through another redemption."""
    if discount.status != "completed" or discount.is_over(today):
        return
    if kind in ("refunded", "credited") and not discount.voucher.carries_over:
        return
    if not any(each.voucher is discount.voucher and each.status == "running" for each in others):
        discount.status = "running"
