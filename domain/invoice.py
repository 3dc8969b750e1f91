"""Discount an invoice: the order of its discounts, the base and amount of each, and the split over the lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.allowance import allowance_left, is_used_up
from domain.caps import Caps
from domain.combination import Others, is_combinable
from domain.money import allocate, percentage_of
from domain.recurrence import Period, Progress, advance, covers
from domain.terms import PRIORITY, FixedDiscount, Money, PercentageDiscount, PriceDiscount, Recurrence
from domain.value_class import value


class Skip(StrEnum):
    """Why a discount that covers the invoice took nothing off, in order of precedence."""

    TRIAL = "trial"
    BEFORE_START = "before_start"
    PRODUCT_NOT_ELIGIBLE = "product_not_eligible"
    CURRENCY_MISMATCH = "currency_mismatch"
    MINIMUM_SUBTOTAL_NOT_MET = "minimum_subtotal_not_met"
    NOT_COMBINABLE = "not_combinable"
    BUDGET_SPENT = "budget_spent"
    NOTHING_LEFT = "nothing_left"


@value
class Line:
    """A line of an invoice, in minor units. A negative line is never discounted."""

    id: str
    amount_minor: int
    product: str | None = None
    discountable: bool = True


@value
class Invoice:
    """An invoice of the billing system, before discounts."""

    currency: str
    # The subscription's billing cycle to which the invoice belongs. Discounts go by it, whatever the invoice's period.
    cycle: Period
    lines: Sequence[Line]
    trial: bool = False


@value
class Discount:
    """A granted discount with its own copy of the voucher's terms, and the amounts that it took so far."""

    id: UUID
    voucher_id: UUID
    price_discount: PriceDiscount
    recurrence: Recurrence
    products: frozenset[str] | None
    starts_on: date
    progress: Progress
    # Taken in the invoice's cycle, by currency; empty if the cycle is new to the discount.
    taken_minor: Mapping[str, int]
    # Taken in all cycles, by currency, if the discount is a balance or has a maximum in all; otherwise None.
    taken_in_total_minor: Mapping[str, int] | None = None
    # The most that it takes in all cycles, by currency; None if there is no such maximum, as for every balance.
    maximum_in_all_minor: Mapping[str, int] | None = None
    # The number, from 1, of the phase whose price this is; None if the discount is no ramp.
    phase: int | None = None
    # The least sum of the lines that it discounts, before all discounts.
    minimum_subtotal: Money | None = None
    # Takes nothing off an invoice that another discount reduces, and lets no other take anything off.
    is_exclusive: bool = False
    priority: int = PRIORITY
    # The maximum per invoice, and the rest of the voucher's budget; None if there is neither.
    caps: Caps | None = None
    # Lines of these are never discounted. No product is in both sets.
    excluded_products: frozenset[str] = frozenset()
    # The invoice's cycle was discounted in another system, which gave the fixed amount of the cycle.
    was_discounted_elsewhere: bool = False

    @property
    def is_restricted(self) -> bool:
        """Whether the discount is for certain products only, or for all but certain products."""
        return self.products is not None or bool(self.excluded_products)

    @property
    def is_balance(self) -> bool:
        """Whether all cycles share its amount."""
        return self.taken_in_total_minor is not None and self.maximum_in_all_minor is None

    @property
    def total_minor(self) -> Mapping[str, int] | None:
        """The amounts of its balance, or its maximum in all, in minor units by currency; None if it has neither."""
        if self.is_balance and isinstance(self.price_discount, FixedDiscount):
            return self.price_discount.amounts_minor
        return self.maximum_in_all_minor

    def is_new_cycle(self) -> bool:
        """Return whether no invoice of the cycle was discounted before."""
        return not self.taken_minor and not self.was_discounted_elsewhere


@value
class Balance:
    """The rest of a balance or of a maximum in all after an invoice, in minor units of the invoice's currency."""

    left_minor: int
    # Whether nothing is left in any currency.
    is_used_up: bool


@value
class Applied:
    """A discount that took an amount off the invoice, and its state afterwards."""

    discount: Discount
    amount_minor: int
    # The parts of `amount_minor` by the line's id; no part is 0.
    by_line: Mapping[str, int]
    progress: Progress
    # None if the discount has no total.
    balance: Balance | None = None


@value
class Skipped:
    """A discount that took nothing off the invoice."""

    discount: Discount
    reason: Skip


def apply_discounts(invoice: Invoice, *, discounts: Sequence[Discount]) -> list[Applied | Skipped]:
    """Apply the discounts, given in the order redeemed, and return a result for each that covers the invoice.

    The lowest priority comes first. Of the same priority, discounts restricted to products come first, so a discount
    without restriction applies to the rest.
    """
    left = {line.id: line.amount_minor for line in invoice.lines if line.discountable and line.amount_minor > 0}
    results: list[Applied | Skipped] = []
    others = Others()
    for discount in sorted(_taking_part(discounts, cycle=invoice.cycle), key=_place_in_order):
        result = _apply(discount, invoice=invoice, left=left, others=others)
        if isinstance(result, Applied):
            others = Others(exist=True, include_exclusive=others.include_exclusive or discount.is_exclusive)
            for line_id, amount_minor in result.by_line.items():
                left[line_id] -= amount_minor
        results.append(result)
    return results


def _place_in_order(discount: Discount) -> tuple[int, bool]:
    return discount.priority, not discount.is_restricted


def _taking_part(discounts: Iterable[Discount], *, cycle: Period) -> Iterator[Discount]:
    """Yield the discounts that cover the cycle, the first redeemed of each voucher, whatever the products of each.

    A discount that has not started covers no invoice yet, so another may take part beside it.
    """
    vouchers: set[UUID] = set()
    for discount in discounts:
        if discount.voucher_id in vouchers or not _is_covered(cycle, discount=discount):
            continue
        if _has_started(discount, cycle=cycle):
            vouchers.add(discount.voucher_id)
        yield discount


def _is_covered(cycle: Period, *, discount: Discount) -> bool:
    total_minor, taken_minor = discount.total_minor, discount.taken_in_total_minor
    if taken_minor and total_minor is not None and is_used_up(total_minor, taken_minor=taken_minor):
        return False
    return covers(
        discount.recurrence,
        progress=discount.progress,
        start=cycle.start,
        is_new_cycle=discount.is_new_cycle(),
    )


def _has_started(discount: Discount, *, cycle: Period) -> bool:
    return discount.starts_on < cycle.end


def _apply(discount: Discount, *, invoice: Invoice, left: Mapping[str, int], others: Others) -> Applied | Skipped:
    """Apply a discount to what is `left` of the lines. `others` are those that have taken something off."""
    covered = _covered_lines(discount, lines=invoice.lines)
    reason = _skip_reason(discount, invoice=invoice, covered=covered, others=others)
    if reason is not None:
        return Skipped(discount=discount, reason=reason)
    base = {line.id: left[line.id] for line in covered if left.get(line.id)}
    base_minor = sum(base.values())
    amount_minor = min(base_minor, _worth(discount, currency=invoice.currency, base_minor=base_minor))
    amount_minor = _limit_to_total(discount, amount_minor, currency=invoice.currency)
    if discount.caps is not None:
        amount_minor = discount.caps.limit(amount_minor, currency=invoice.currency)
    if amount_minor == 0:
        return Skipped(discount=discount, reason=Skip.NOTHING_LEFT)
    parts = allocate(amount_minor, weights=list(base.values()))
    return Applied(
        discount=discount,
        amount_minor=amount_minor,
        by_line={line_id: part for line_id, part in zip(base, parts, strict=True) if part},
        progress=advance(
            discount.recurrence,
            progress=discount.progress,
            cycle=invoice.cycle,
            is_new_cycle=discount.is_new_cycle(),
        ),
        balance=_balance_after(discount, currency=invoice.currency, amount_minor=amount_minor),
    )


def _covered_lines(discount: Discount, *, lines: Sequence[Line]) -> Sequence[Line]:
    return [
        line
        for line in lines
        if line.product not in discount.excluded_products
        and (discount.products is None or line.product in discount.products)
    ]


def _skip_reason(discount: Discount, *, invoice: Invoice, covered: Sequence[Line], others: Others) -> Skip | None:
    reasons = _reasons_to_skip(discount, invoice=invoice, covered=covered, others=others)
    return next((reason for reason, applies in reasons if applies), None)


def _reasons_to_skip(
    discount: Discount, *, invoice: Invoice, covered: Sequence[Line], others: Others
) -> Iterator[tuple[Skip, bool]]:
    """Yield each reason, and whether it applies if none before it does."""
    currency, caps = invoice.currency, discount.caps
    yield Skip.TRIAL, invoice.trial
    yield Skip.BEFORE_START, not _has_started(discount, cycle=invoice.cycle)
    yield Skip.PRODUCT_NOT_ELIGIBLE, not covered
    yield Skip.CURRENCY_MISMATCH, not _is_for(discount, currency=currency)
    yield Skip.MINIMUM_SUBTOTAL_NOT_MET, not _reaches_minimum(discount.minimum_subtotal, covered, currency=currency)
    yield Skip.NOT_COMBINABLE, not is_combinable(is_exclusive=discount.is_exclusive, others=others)
    yield Skip.BUDGET_SPENT, caps is not None and caps.is_budget_spent(currency)


def _reaches_minimum(minimum: Money | None, covered: Sequence[Line], *, currency: str) -> bool:
    if minimum is None:
        return True
    eligible_minor = sum(line.amount_minor for line in covered if line.discountable and line.amount_minor > 0)
    return currency == minimum.currency and eligible_minor >= minimum.amount_minor


def _is_for(discount: Discount, *, currency: str) -> bool:
    price = discount.price_discount
    if isinstance(price, FixedDiscount) and currency not in price.amounts_minor:
        return False
    if discount.total_minor is not None and currency not in discount.total_minor:
        return False
    return discount.caps is None or discount.caps.allow(currency)


def _worth(discount: Discount, *, currency: str, base_minor: int) -> int:
    match discount.price_discount:
        case PercentageDiscount(millionths=millionths):
            return percentage_of(base_minor, millionths=millionths)
        case FixedDiscount(amounts_minor=amounts_minor):
            if discount.is_balance:
                return amounts_minor[currency]
            if discount.was_discounted_elsewhere:
                return 0
            return allowance_left(amounts_minor, currency=currency, taken_minor=discount.taken_minor)


def _limit_to_total(discount: Discount, amount_minor: int, *, currency: str) -> int:
    total_minor, taken_minor = discount.total_minor, discount.taken_in_total_minor
    if total_minor is None or taken_minor is None:
        return amount_minor
    return min(amount_minor, allowance_left(total_minor, currency=currency, taken_minor=taken_minor))


def _balance_after(discount: Discount, *, currency: str, amount_minor: int) -> Balance | None:
    total_minor, before = discount.total_minor, discount.taken_in_total_minor
    if total_minor is None or before is None:
        return None
    taken_minor = {**before, currency: before.get(currency, 0) + amount_minor}
    return Balance(
        left_minor=allowance_left(total_minor, currency=currency, taken_minor=taken_minor),
        is_used_up=is_used_up(total_minor, taken_minor=taken_minor),
    )
