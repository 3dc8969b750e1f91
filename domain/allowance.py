"""The rest of an amount: of a period's allowance, of a balance that carries over, or of a maximum in all."""

from collections.abc import Mapping
from fractions import Fraction


def allowance_left(amounts_minor: Mapping[str, int], *, currency: str, taken_minor: Mapping[str, int]) -> int:
    """Return the rest of an amount, in minor units of the currency, rounded down.

    All invoices of a period share its allowance, and all invoices of a discount its balance or its maximum in all. An
    amount taken in another currency uses up its share of the amount that the voucher names for that currency.
    Example: of USD 10.00 or EUR 9.01, USD 5.00 were taken, which is half. EUR 4.50 are left.
    The rest is rounded down, so that the shares of all currencies never exceed the whole. Less than one minor unit is
    lost by that. It is never negative, even if more was taken because a credit was reversed.
    """
    others = [Fraction(taken, amounts_minor[each]) for each, taken in taken_minor.items() if each != currency]
    left = amounts_minor[currency] - taken_minor.get(currency, 0)
    return max(0, int(left - amounts_minor[currency] * sum(others)) if others else left)


def is_used_up(amounts_minor: Mapping[str, int], *, taken_minor: Mapping[str, int]) -> bool:
    """Return whether less than one minor unit is left in every currency."""
    return not any(allowance_left(amounts_minor, currency=each, taken_minor=taken_minor) for each in amounts_minor)
