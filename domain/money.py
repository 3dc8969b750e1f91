"""Amounts in minor units, shares of them in basis points, and how an amount is split without losing a unit."""

from collections.abc import Sequence

BASIS_POINTS_WHOLE = 10_000


def percentage_of(amount_minor: int, *, basis_points: int) -> int:
    """This function will return that share of a non-negative amount, rounded half up, in integers.

    `basis_points` runs from 1 (0.01 %) to 10,000 (100 %).
    """
    return (amount_minor * basis_points + BASIS_POINTS_WHOLE // 2) // BASIS_POINTS_WHOLE


def allocate(total_minor: int, *, weights: Sequence[int]) -> list[int]:
    """This function will split an amount in proportion to the weights, so that the parts sum to it exactly.

    Largest remainder: each part is rounded down, then the units that are left go to the largest remainders,
    ties to the earlier one. With 0 <= total <= sum(weights) no part exceeds its weight.
    Raises ValueError where a positive amount has nothing to be split over.
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
