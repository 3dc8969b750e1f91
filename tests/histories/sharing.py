"""The model of random histories: the shares of a line that refunds and credits give back."""

import math
from collections.abc import Sequence
from fractions import Fraction

from tests.histories.discounting import split
from tests.histories.entities import Json, Reversal

GIVING_BACK = ("voided", "payment_failed", "charged_back")


def is_given_back(earlier: Sequence[Reversal]) -> bool:
    """Return whether an invoice with these reversals counts as if it had never been."""
    return any(each.kind in GIVING_BACK for each in earlier)


def refunded_of(line: str, earlier: Sequence[Reversal]) -> int:
    """Return the amount of a line that was refunded, credited or given back before."""
    return sum(each.lines.get(line, 0) for each in earlier)


def parts_of(
    line: str,
    amount: int,
    *,
    billed: int,
    discounts: Sequence[Json],
    earlier: Sequence[Reversal],
    anew: tuple[int, int] | None,
) -> dict[str, int]:
    """Return each discount's part of a line: the part due by now, without earlier parts.

    `anew` has the rests of the line and of its discount when a credit was last taken back.
    """
    taken = {each["discount"]: each["lines"][line] for each in discounts if line in each["lines"]}
    if not taken:
        return {}
    left = left_of(line, discounts=discounts, earlier=earlier)
    whole, discounted = anew or (billed, sum(taken.values()))
    gone = whole - (billed - refunded_of(line, earlier)) + amount
    due = math.floor(Fraction(gone * discounted, whole) + Fraction(1, 2)) - (discounted - sum(left.values()))
    if due == 0:
        return dict.fromkeys(taken, 0)
    return dict(zip(left, split(due, list(left.values())), strict=True))


def left_of(line: str, *, discounts: Sequence[Json], earlier: Sequence[Reversal]) -> dict[str, int]:
    """Return each discount's part of a line that nothing has given back."""
    return {
        each["discount"]: each["lines"][line]
        - sum(one.parts[line][each["discount"]] for one in earlier if line in one.parts)
        for each in discounts
        if line in each["lines"]
    }
