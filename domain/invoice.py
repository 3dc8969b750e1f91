"""Discounting one invoice: in which order, on which base, how much, and on which lines."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.allowance import allowance_left, is_used_up
from domain.caps import Caps
from domain.money import allocate, percentage_of
from domain.recurrence import Period, Progress, advance, is_over
from domain.terms import FixedDiscount, PercentageDiscount, PriceDiscount, Recurrence
from domain.value import value


class Skip(StrEnum):
    """Why a discount that is not over took nothing off, in order of precedence."""

    TRIAL = "trial"
    BEFORE_START = "before_start"
    PRODUCT_NOT_ELIGIBLE = "product_not_eligible"
    CURRENCY_MISMATCH = "currency_mismatch"
    BUDGET_SPENT = "budget_spent"
    NOTHING_LEFT = "nothing_left"


@value
class Line:
    """One line of an invoice, in minor units; a credit is negative and never discounted."""

    id: str
    amount_minor: int
    product: str | None = None
    discountable: bool = True


@value
class Invoice:
    """What the billing system has built, before discounts."""

    currency: str
    period: Period
    lines: Sequence[Line]
    trial: bool = False


@value
class Discount:
    """A granted discount with its own copy of the voucher's terms."""

    id: UUID
    voucher_id: UUID
    price_discount: PriceDiscount
    recurrence: Recurrence
    products: frozenset[str] | None
    starts_on: date
    progress: Progress
    # What it took in the invoice's period already, by currency; empty where the period is new to it.
    taken_minor: Mapping[str, int]
    # What it took in all, by currency, where it is a balance; None where each period has an allowance of its own.
    taken_in_all_minor: Mapping[str, int] | None = None
    # The most on this invoice, and what is left of the voucher's budget.
    caps: Caps | None = None


@value
class Balance:
    """What an invoice leaves of a balance, in minor units of its own currency, and whether that is nothing at all."""

    left_minor: int
    is_used_up: bool


@value
class Applied:
    """What one discount took off, in all and by line, and where that leaves it."""

    discount: Discount
    amount_minor: int
    by_line: Mapping[str, int]
    progress: Progress
    # Of a discount that carries over.
    balance: Balance | None = None


@value
class Skipped:
    """A discount that took nothing off, and why."""

    discount: Discount
    reason: Skip


def apply_discounts(invoice: Invoice, *, discounts: Sequence[Discount]) -> list[Applied | Skipped]:
    """This function will apply the discounts, given in the order redeemed, and account for each that is not over.

    Those restricted to products come first, so that a discount on everything works on what they left. A voucher
    takes part once in an invoice, though two of its discounts may cover the period.
    """
    left = {line.id: line.amount_minor for line in invoice.lines if line.discountable and line.amount_minor > 0}
    results: list[Applied | Skipped] = []
    vouchers_applied: set[UUID] = set()
    for discount in sorted(discounts, key=lambda each: each.products is None):
        if discount.voucher_id in vouchers_applied:
            continue
        if _is_over(discount, start=invoice.period.start):
            continue
        result = _apply(discount, invoice=invoice, left=left)
        if isinstance(result, Applied):
            vouchers_applied.add(discount.voucher_id)
            for line_id, amount_minor in result.by_line.items():
                left[line_id] -= amount_minor
        results.append(result)
    return results


def _is_over(discount: Discount, *, start: date) -> bool:
    price, taken_minor = discount.price_discount, discount.taken_in_all_minor
    if taken_minor and isinstance(price, FixedDiscount) and is_used_up(price.amounts_minor, taken_minor=taken_minor):
        return True
    return is_over(discount.recurrence, progress=discount.progress, start=start, is_new_period=not discount.taken_minor)


def _apply(discount: Discount, *, invoice: Invoice, left: Mapping[str, int]) -> Applied | Skipped:
    covered = _covered_lines(discount, lines=invoice.lines)
    reason = _skip_reason(discount, invoice=invoice, covered=covered)
    if reason is not None:
        return Skipped(discount=discount, reason=reason)
    base = {line.id: left[line.id] for line in covered if left.get(line.id)}
    base_minor = sum(base.values())
    amount_minor = min(base_minor, _worth(discount, currency=invoice.currency, base_minor=base_minor))
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
            period=invoice.period,
            is_new_period=not discount.taken_minor,
        ),
        balance=_balance_after(discount, currency=invoice.currency, amount_minor=amount_minor),
    )


def _covered_lines(discount: Discount, *, lines: Sequence[Line]) -> Sequence[Line]:
    return lines if discount.products is None else [line for line in lines if line.product in discount.products]


def _skip_reason(discount: Discount, *, invoice: Invoice, covered: Sequence[Line]) -> Skip | None:
    if invoice.trial:
        return Skip.TRIAL
    if invoice.period.end <= discount.starts_on:
        return Skip.BEFORE_START
    if not covered:
        return Skip.PRODUCT_NOT_ELIGIBLE
    if not _is_for(discount, currency=invoice.currency):
        return Skip.CURRENCY_MISMATCH
    if discount.caps is not None and discount.caps.is_budget_spent(invoice.currency):
        return Skip.BUDGET_SPENT
    return None


def _is_for(discount: Discount, *, currency: str) -> bool:
    price = discount.price_discount
    if isinstance(price, FixedDiscount) and currency not in price.amounts_minor:
        return False
    return discount.caps is None or discount.caps.allow(currency)


def _worth(discount: Discount, *, currency: str, base_minor: int) -> int:
    match discount.price_discount:
        case PercentageDiscount(basis_points=basis_points):
            return percentage_of(base_minor, basis_points=basis_points)
        case FixedDiscount(amounts_minor=amounts_minor):
            in_all = discount.taken_in_all_minor
            taken_minor = discount.taken_minor if in_all is None else in_all
            return allowance_left(amounts_minor, currency=currency, taken_minor=taken_minor)


def _balance_after(discount: Discount, *, currency: str, amount_minor: int) -> Balance | None:
    price, before = discount.price_discount, discount.taken_in_all_minor
    if before is None or not isinstance(price, FixedDiscount):
        return None
    taken_minor = {**before, currency: before.get(currency, 0) + amount_minor}
    return Balance(
        left_minor=allowance_left(price.amounts_minor, currency=currency, taken_minor=taken_minor),
        is_used_up=is_used_up(price.amounts_minor, taken_minor=taken_minor),
    )
