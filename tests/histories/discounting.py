"""One invoice, discounted as the contract says in words: in exact fractions, from everything that was taken before."""

import math
from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.histories.kept import Code

Json = dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """What a discount took off one invoice, in minor units, and when."""

    invoice: str
    at: datetime
    start: date
    end: date
    currency: str
    amount: int


@dataclass(eq=False)
class Discount:
    """What a redemption granted: the voucher's terms as they stood then, and everything that it took since."""

    id: str
    voucher: str
    project: str
    customer: str
    subscription: str
    created_at: datetime
    terms: Json
    starts_on: date
    starts_on_in_utc: date
    # All that its voucher granted, and the voucher's body as it is now: they share its budget.
    siblings: list["Discount"]
    current: Callable[[], Json]
    taken: list[Taken] = field(default_factory=list)
    is_completed: bool = False
    # The code that it was redeemed by, if it was.
    code: "Code | None" = None
    ended_at: datetime | None = None
    # What it got back found its voucher running again, or no room on the subscription.
    is_parked: bool = False
    # Whether a place of it is free again.
    has_returned: bool = False

    @property
    def products(self) -> list[str] | None:
        """The products that it is restricted to."""
        products: list[str] | None = self.terms.get("restrictions", {}).get("products")
        return products

    @property
    def starts(self) -> set[date]:
        """The distinct periods that it discounted: a period is known by its start."""
        return {each.start for each in self.taken}

    def ends_on(self) -> date | None:
        """This method will return the end of its window, where it has one by now."""
        if not self.taken:
            return None
        match self.terms["recurrence"]:
            case {"type": "once"}:
                return self.taken[0].end
            case {"type": "repeating", "durationInMonths": months}:
                return months_after(min(self.starts), months)
            case {"type": "repeating", "durationInCycles": cycles} if len(self.starts) == cycles:
                # As it was when the last cycle came.
                last = next(each for each in self.taken if self.starts_until(each) == self.starts)
                return max(each.end for each in self.taken[: self.taken.index(last) + 1])
        return None

    def starts_until(self, taken: Taken) -> set[date]:
        """This method will return the distinct periods that it had discounted when it took that."""
        return {each.start for each in self.taken[: self.taken.index(taken) + 1]}

    def is_over_for(self, start: date) -> bool:
        """This method will tell whether a period that starts then lies outside what the discount promised."""
        if self.is_used_up():
            return True
        match self.terms["recurrence"]:
            case {"type": "once"}:
                return bool(self.taken)
            case {"type": "repeating", "durationInCycles": cycles}:
                return bool(len({*self.starts, start}) > cycles)
            case {"type": "repeating", "durationInMonths": months}:
                starts = {*self.starts, start}
                return max(starts) >= months_after(min(starts), months)
        return False

    def is_over_by(self, today: date) -> bool:
        """This method will tell whether the discount no longer counts as running."""
        if self.is_over_at_once():
            return True
        ends_on = self.ends_on()
        return ends_on is not None and ends_on <= today

    def runs_by(self, today: date) -> bool:
        """This method will tell whether it counts as running."""
        return not (self.is_over_by(today) or self.is_parked or self.ended_at is not None)

    def is_over_at_once(self) -> bool:
        """This method will tell whether the latest invoice has ended it, whatever day it is."""
        return self.is_used_up() or (self.terms["recurrence"]["type"] == "once" and bool(self.taken))

    def is_used_up(self) -> bool:
        """This method will tell whether not one unit of any currency is left of a balance."""
        return bool(self.terms.get("carryOver")) and not any(map(self.left_in, amounts_of(self.terms)))

    def left_in(self, currency: str, *, start: date | None = None) -> int:
        """This method will return what is left of a fixed amount: of a period's, or of all where no start is given."""
        amounts = amounts_of(self.terms)
        taken = [each for each in self.taken if start is None or each.start == start]
        used = sum((Fraction(each.amount, amounts[each.currency]) for each in taken), start=Fraction())
        return math.floor(amounts[currency] * (1 - used))

    def maximum(self) -> dict[str, int]:
        """This method will return the most that it takes off one invoice, by currency."""
        return named(self.terms.get("maximumDiscount"))

    def budget_left(self) -> dict[str, int]:
        """This method will return what all that its voucher granted has left of the budget, by currency."""
        budget = named(self.current().get("budget"))
        return {currency: amount - given_by(self.siblings, currency) for currency, amount in budget.items()}

    def caps(self, currency: str) -> list[int | None]:
        """This method will return what its caps leave in a currency: None where one does not name it."""
        return [each.get(currency) for each in (self.maximum(), self.budget_left()) if each]

    def worth(self, base: int, *, currency: str, start: date) -> int:
        """This method will return what it would take off a base, before the cap."""
        percentage = self.terms.get("priceDiscountPercentage")
        if percentage is not None:
            share = Decimal(base) * Decimal(str(percentage)) / 100
            return int(share.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        return self.left_in(currency, start=None if self.terms.get("carryOver") else start)


def given_by(discounts: Sequence[Discount], currency: str) -> int:
    """This function will return what they took together in a currency."""
    return sum(each.amount for discount in discounts for each in discount.taken if each.currency == currency)


def named(amounts: Json | None) -> dict[str, int]:
    """This function will return amounts by currency; none where nothing is said."""
    return {} if amounts is None else {amounts["currency"]: amounts["amount"], **amounts.get("currencyOptions", {})}


def amounts_of(terms: Json) -> dict[str, int]:
    """This function will return a fixed voucher's amount for each of its currencies; none for a percentage."""
    return named(terms.get("priceDiscount"))


def months_after(day: date, months: int) -> date:
    """This function will return the same day so many months later, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """This function will split an amount by largest remainder, ties to the earlier one."""
    quotas = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [math.floor(quota) for quota in quotas]
    while sum(parts) < amount:
        missing = [quota - part for quota, part in zip(quotas, parts, strict=True)]
        parts[missing.index(max(missing))] += 1
    return parts


def discount_invoice(invoice: Json, *, granted: Sequence[Discount], at: datetime) -> tuple[list[Json], list[Json]]:
    """This function will discount an invoice, and return its `discounts` and what was `skipped`."""
    start, end = period_of(invoice, today=at.date())
    left = {line["id"]: line["amount"] for line in invoice["lines"] if line["discountable"] and line["amount"] > 0}
    restricted = [each for each in granted if each.products is not None]
    discounts: list[Json] = []
    skipped: list[Json] = []
    for each in restricted + [each for each in granted if each.products is None]:
        if each.is_over_for(start) or each.voucher in [item["voucher"] for item in discounts]:
            continue
        covered = [
            line["id"] for line in invoice["lines"] if each.products is None or line.get("product") in each.products
        ]
        reason = skip_reason(each, invoice=invoice, end=end, covers_a_line=bool(covered))
        base = {} if reason else {line: left[line] for line in covered if left.get(line, 0) > 0}
        amount = (
            min(
                sum(base.values()),
                each.worth(sum(base.values()), currency=invoice["currency"], start=start),
                *(cap for cap in each.caps(invoice["currency"]) if cap is not None),
            )
            if base
            else 0
        )
        if amount == 0:
            skipped.append({"discount": each.id, "reason": reason or "nothing_left"})
            continue
        parts = {line: part for line, part in zip(base, split(amount, list(base.values())), strict=True) if part}
        for line, part in parts.items():
            left[line] -= part
        taken = Taken(
            invoice=invoice["invoice"], at=at, start=start, end=end, currency=invoice["currency"], amount=amount
        )
        each.taken.append(taken)
        ends_on = each.ends_on()
        discounts.append(
            {
                "discount": each.id,
                "voucher": each.voucher,
                "amount": amount,
                "lines": parts,
                "cycle": len(each.starts),
                "endsOn": ends_on and ends_on.isoformat(),
                "debitBalance": each.left_in(taken.currency) if each.terms.get("carryOver") else None,
            }
        )
    return discounts, skipped


def skip_reason(discount: Discount, *, invoice: Json, end: date, covers_a_line: bool) -> str | None:
    """This function will return why a discount that is not over takes no part, in the contract's order."""
    starts_on = discount.starts_on if invoice.get("period") else discount.starts_on_in_utc
    amounts, caps = amounts_of(discount.terms), discount.caps(invoice["currency"])
    rows = {
        "trial": invoice["trial"],
        "before_start": end <= starts_on,
        "product_not_eligible": not covers_a_line,
        "currency_mismatch": (bool(amounts) and invoice["currency"] not in amounts) or None in caps,
        "budget_spent": 0 in caps,
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)


def period_of(invoice: Json, *, today: date) -> tuple[date, date]:
    """This function will return an invoice's period, which is today for a one-off purchase."""
    period = invoice.get("period")
    if period is None:
        return today, today + timedelta(days=1)
    return date.fromisoformat(period["start"]), date.fromisoformat(period["end"])
