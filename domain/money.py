"""Amounts in minor units, shares of them in millionths, and how an amount is split without losing a unit."""

from collections.abc import Sequence

MILLIONTHS_WHOLE = 1_000_000


def divide_half_up(numerator: int, denominator: int) -> int:
    """Return the quotient of a non-negative and a positive integer, rounded to the nearest integer, halves up.

    The result is exact for integers of any size.
    """
    return (2 * numerator + denominator) // (2 * denominator)


def percentage_of(amount_minor: int, *, millionths: int) -> int:
    """Return a share of a non-negative amount, in minor units, rounded half up.

    `millionths` is from 1 (0.0001 %) to 1,000,000 (100 %).
    """
    return divide_half_up(amount_minor * millionths, MILLIONTHS_WHOLE)


def allocate(total_minor: int, *, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to the weights, and return parts that sum to the amount exactly.

    This is the largest remainder method: round each part down, then give the units that are left to the largest
    remainders, and of equal remainders to the first. If 0 <= total <= sum(weights), no part exceeds its weight.
    Raises ValueError if the amount is positive and all weights are zero.
    """
    whole = sum(weights)
    if whole == 0:
        if total_minor:
            raise ValueError("a positive amount needs a positive weight")
        return [0] * len(weights)
    parts, remainders = zip(*(divmod(total_minor * weight, whole) for weight in weights), strict=True)
    units_left = total_minor - sum(parts)
    by_remainder = sorted(range(len(weights)), key=remainders.__getitem__, reverse=True)
    rounded_up = set(by_remainder[:units_left])
    return [part + (index in rounded_up) for index, part in enumerate(parts)]
