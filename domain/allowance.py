"""What is left of a fixed amount: of a period's allowance, or of a balance that carries over."""

from collections.abc import Mapping
from fractions import Fraction


def allowance_left(amounts_minor: Mapping[str, int], *, currency: str, taken_minor: Mapping[str, int]) -> int:
    """This function will return what is left of a fixed amount, in minor units of that currency.

    The invoices of a period share one allowance, and all those of a balance. What was taken in another currency
    counts as the share of the amount that the voucher names for that currency.
    """
    others = [Fraction(taken, amounts_minor[each]) for each, taken in taken_minor.items() if each != currency]
    left = amounts_minor[currency] - taken_minor.get(currency, 0)
    return int(left - amounts_minor[currency] * sum(others)) if others else left


def is_used_up(amounts_minor: Mapping[str, int], *, taken_minor: Mapping[str, int]) -> bool:
    """This function will tell whether not one minor unit of any currency is left."""
    return not any(allowance_left(amounts_minor, currency=each, taken_minor=taken_minor) for each in amounts_minor)
