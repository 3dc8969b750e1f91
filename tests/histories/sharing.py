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
    line: str, amount: int, *, billed: int, discounts: Sequence[Json], earlier: Sequence[Reversal]
) -> dict[str, int]:
    """Return each discount's part of a line: the part due by now, without earlier parts."""
    taken = {each["discount"]: each["lines"][line] for each in discounts if line in each["lines"]}
    if not taken:
        return {}
    refunded = amount + refunded_of(line, earlier)
    due = math.floor(Fraction(refunded * sum(taken.values()), billed) + Fraction(1, 2))
    left = {
        each: part - sum(one.parts[line][each] for one in earlier if line in one.parts) for each, part in taken.items()
    }
    gone = sum(taken.values()) - sum(left.values())
    # After a credit that was taken back, more than what is due can be gone.
    if due <= gone:
        return dict.fromkeys(taken, 0)
    return dict(zip(left, split(due - gone, list(left.values())), strict=True))
