"""The model of random histories: the discounts of an invoice, in exact fractions, from all earlier amounts."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.histories.calendar import months_after
from tests.histories.phases import duration_of, phase_of, phases_of

if TYPE_CHECKING:
    from tests.histories.entities import Code

Json = dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """The discount of an invoice, in minor units, and the billing cycle."""

    invoice: str
    subscription: str
    at: datetime
    start: date
    end: date
    currency: str
    amount: int
    phase: int | None = None


@dataclass(frozen=True)
class Elsewhere:
    """What an imported discount had done in another system, on that subscription, and who imported it when."""

    ref: str
    actor: str | None
    at: datetime
    subscription: str
    starts: frozenset[date]
    last_end: date | None
    taken: dict[str, int]

    def had(self, start: date) -> bool:
        """Return whether a cycle lies between the first and the last."""
        return bool(self.starts) and min(self.starts) <= start <= max(self.starts)


@dataclass(eq=False)
class Discount:
    """A discount: the voucher's terms at the redemption, and every amount since."""

    id: str
    voucher: str
    project: str
    customer: str
    subscription: str
    created_at: datetime
    terms: Json
    starts_on: date
    starts_on_in_utc: date
    # All discounts of the voucher, which share the budget, and the voucher's current body.
    siblings: list["Discount"]
    current: Callable[[], Json]
    taken: list[Taken] = field(default_factory=list)
    # The parts of a total that refunds gave back.
    refunded: list[Taken] = field(default_factory=list)
    # The parts of fixed amounts and totals that credits gave back, and that were not taken again.
    credited: list[Taken] = field(default_factory=list)
    is_completed: bool = False
    # Whether the discount shows an instant of its completion and of a change.
    has_completed_at: bool = False
    has_updated_at: bool = False
    # The code of the redemption, if there was one.
    code: "Code | None" = None
    ended_at: datetime | None = None
    # A cycle was given back, but the voucher runs there again or the subscription is full. So it stays completed.
    stays_completed: bool = False
    # Whether the place was returned.
    place_is_returned: bool = False
    # The moves, the extensions and the end as answers show them, the newest first.
    history: list[Json] = field(default_factory=list)
    # None if the discount was redeemed here.
    elsewhere: Elsewhere | None = None

    @property
    def known_since(self) -> datetime:
        """The instant of the redemption here, or else of the import."""
        return self.elsewhere.at if self.elsewhere else self.created_at

    def named_products(self, name: str) -> list[str] | None:
        """Return `products` or `excludedProducts`, or None if the discount names none."""
        named: list[str] | None = self.terms.get("restrictions", {}).get(name)
        return named

    @property
    def is_restricted(self) -> bool:
        """Whether the discount is for certain products only, or not for certain ones."""
        return any(self.named_products(name) for name in ("products", "excludedProducts"))

    def is_for(self, product: str | None) -> bool:
        """Return whether the discount is for a line with that product, or without one."""
        only, never = self.named_products("products"), self.named_products("excludedProducts")
        return (only is None or product in only) and product not in (never or [])

    @property
    def minimum(self) -> Json | None:
        """The amount that each invoice must reach, or None."""
        return minimum_of_invoices(self.terms)

    @property
    def starts(self) -> set[date]:
        """The starts of the distinct cycles that were discounted, here or elsewhere."""
        return self.starts_with(each.start for each in self.taken)

    def starts_with(self, starts: Iterable[date]) -> set[date]:
        """Return those starts and the ones of elsewhere. A cycle in between was discounted there."""
        if self.elsewhere is None:
            return set(starts)
        return {*self.elsewhere.starts, *(each for each in starts if not self.elsewhere.had(each))}

    @property
    def months(self) -> int | None:
        """The months that the discount lasts, if it counts them."""
        return duration_of(self.terms["recurrence"], "durationInMonths")

    @property
    def cycles(self) -> int | None:
        """The cycles that the discount lasts, if it counts them."""
        return duration_of(self.terms["recurrence"], "durationInCycles")

    def phase_at(self, start: date) -> int | None:
        """Return the number of the phase of a covered cycle, or None if the discount has no phases."""
        if not phases_of(self.terms):
            return None
        taken = [(each.start, each.phase) for each in self.taken]
        elsewhere = self.elsewhere.starts if self.elsewhere else frozenset()
        return phase_of(self.terms, start, taken=taken, elsewhere=elsewhere)

    def price_at(self, start: date) -> Json:
        """Return the terms with the price of a covered cycle: those of its phase, or of the discount."""
        number = self.phase_at(start)
        return self.terms if number is None else phases_of(self.terms)[number - 1]

    def ends_on(self) -> date | None:
        """Return the end of the window, or None if there is none yet."""
        if not self.starts:
            return None
        last_end = self.elsewhere.last_end if self.elsewhere else None
        if self.terms["recurrence"]["type"] == "once":
            return last_end or self.taken[0].end
        if self.months is not None:
            return months_after(min(self.starts), self.months)
        if len(self.starts) == self.cycles:
            if self.starts_with(()) == self.starts:
                return last_end
            # The end is fixed by the cycles known when the last cycle came.
            last = next(each for each in self.taken if self.starts_until(each) == self.starts)
            ends = [each.end for each in self.taken[: self.taken.index(last) + 1]]
            return max([*ends, last_end] if last_end else ends)
        return None

    def starts_until(self, taken: Taken) -> set[date]:
        """Return the starts of the distinct cycles that were discounted by the time of that amount."""
        return self.starts_with(each.start for each in self.taken[: self.taken.index(taken) + 1])

    def is_over_for(self, start: date) -> bool:
        """Return whether the discount does not cover a cycle with that start."""
        if self.is_used_up():
            return True
        starts = {*self.starts, start}
        if self.terms["recurrence"]["type"] == "once":
            return bool(self.starts)
        if self.cycles is not None:
            return len(self.starts_with(starts)) > self.cycles
        return self.months is not None and max(starts) >= months_after(min(starts), self.months)

    def is_over_by(self, today: date) -> bool:
        """Return whether the discount no longer counts as running."""
        if self.is_over_at_once():
            return True
        ends_on = self.ends_on()
        return ends_on is not None and ends_on <= today

    def runs_by(self, today: date) -> bool:
        """Return whether the discount counts as running."""
        return not (self.is_over_by(today) or self.stays_completed or self.ended_at is not None)

    def is_over_at_once(self) -> bool:
        """Return whether the latest invoice has ended the discount, on whatever day."""
        return self.is_used_up() or (self.terms["recurrence"]["type"] == "once" and bool(self.starts))

    def is_used_up(self) -> bool:
        """Return whether the discount has a total without a unit left in any currency."""
        return bool(self.total) and not any(map(self.left_in, self.total))

    @property
    def total(self) -> dict[str, int]:
        """The most that the discount gives over its life, by currency, or nothing if there is no such limit."""
        return total_of(self.terms)

    def left_in(self, currency: str, *, start: date | None = None) -> int:
        """Return the rest of a fixed amount: of the cycle with that start, or of the total."""
        amounts = self.total if start is None else amounts_of(self.price_at(start))
        taken = [each for each in self.taken if start is None or each.start == start]
        used = sum((Fraction(each.amount, amounts[each.currency]) for each in taken), start=Fraction())
        # If an invoice no longer counts, neither do its refunds and credits. A refund fills up totals alone.
        back = [*self.credited, *(self.refunded if start is None else [])]
        standing = {each.invoice for each in taken}
        used -= sum(
            (Fraction(each.amount, amounts[each.currency]) for each in back if each.invoice in standing),
            start=Fraction(),
        )
        if self.elsewhere and start is None:
            # A currency that the voucher does not name is refused, and counts nothing until then.
            before = {name: each for name, each in self.elsewhere.taken.items() if name in amounts}
            used += sum((Fraction(each, amounts[name]) for name, each in before.items()), start=Fraction())
        if self.elsewhere and start is not None and self.elsewhere.had(start):
            # The other system gave the amount of the cycle.
            return 0
        # More than everything can be used: by a credit that was taken back after others had used it.
        return max(0, math.floor(amounts[currency] * (1 - used)))

    def maximum(self) -> dict[str, int]:
        """Return the most for an invoice, by currency."""
        return named(self.terms.get("maximumDiscount"))

    def budget_left(self) -> dict[str, int]:
        """Return the rest of the voucher's budget, by currency."""
        budget = named(self.current().get("budget"))
        return {currency: amount - given_by(self.siblings, currency) for currency, amount in budget.items()}

    def caps(self, currency: str) -> list[int | None]:
        """Return the rest under each cap in a currency. None stands for a cap that does not name the currency."""
        return [each.get(currency) for each in (self.maximum(), self.budget_left()) if each]

    def worth(self, base: int, *, currency: str, start: date) -> int:
        """Return the discount of a base amount, before the caps."""
        percentage = self.price_at(start).get("priceDiscountPercentage")
        if percentage is not None:
            share = Decimal(base) * Decimal(str(percentage)) / 100
            return int(share.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        return self.left_in(currency, start=None if self.terms.get("carryOver") else start)


def given_by(discounts: Sequence[Discount], currency: str) -> int:
    """Return the sum of the discounts in a currency."""
    here = sum(each.amount for discount in discounts for each in discount.taken if each.currency == currency)
    return here + sum(each.elsewhere.taken.get(currency, 0) for each in discounts if each.elsewhere)


def named(amounts: Json | None) -> dict[str, int]:
    """Return amounts by currency, or none for None."""
    return {} if amounts is None else {amounts["currency"]: amounts["amount"], **amounts.get("currencyOptions", {})}


def total_of(terms: Json) -> dict[str, int]:
    """Return the amounts of a balance, or the most that a discount gives in all, or none."""
    return amounts_of(terms) if terms.get("carryOver") else named(terms.get("maximumDiscountInAll"))


def minimum_of_invoices(terms: Json) -> Json | None:
    """Return the amount that each invoice must reach, or None."""
    minimum: Json | None = terms.get("restrictions", {}).get("minimumSubtotal")
    return minimum if minimum and minimum.get("on") == "invoice" else None


def amounts_of(terms: Json) -> dict[str, int]:
    """Return a fixed voucher's amount for each currency, or none for a percentage."""
    return named(terms.get("priceDiscount"))


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by largest remainder. The earlier part wins a tie."""
    quotas = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [math.floor(quota) for quota in quotas]
    while sum(parts) < amount:
        missing = [quota - part for quota, part in zip(quotas, parts, strict=True)]
        parts[missing.index(max(missing))] += 1
    return parts
