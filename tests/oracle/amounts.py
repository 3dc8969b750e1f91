"""The arithmetic of docs/contract.md, in exact fractions."""

import calendar
from datetime import date
from fractions import Fraction
from math import floor
from typing import TypeVar

Key = TypeVar("Key")


def half_up(value: Fraction) -> int:
    """Return the nearest integer, with halves rounded up."""
    return floor(value + Fraction(1, 2))


def split(amount: int, weights: dict[Key, int]) -> dict[Key, int]:
    """Return the parts of an amount by largest remainder. Equal remainders go to the earlier weight."""
    whole = sum(weights.values())
    exact = {key: Fraction(amount * weight, whole) if whole else Fraction(0) for key, weight in weights.items()}
    parts = {key: floor(share) for key, share in exact.items()}
    by_remainder = sorted(exact, key=lambda key: parts[key] - exact[key])
    for key in by_remainder[: amount - sum(parts.values())]:
        parts[key] += 1
    return parts


def months_later(day: date, months: int) -> date:
    """Return the day so many months later, clamped to the last day of its month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
