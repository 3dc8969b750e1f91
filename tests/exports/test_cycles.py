"""The cycles that a discount had elsewhere, counted back from the current period."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tasks.exports.cycles import Interval, Subscription, cycles_had, cycles_since, differs_here, interval_of

MONTHLY, YEARLY, WEEKLY = Interval(months=1), Interval(months=12), Interval(days=7)


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def had(begins: str, ends: str | None = None, **changes: Any) -> tuple[Any, ...]:
    """Return the first start, the number, and the last cycle."""
    billing: dict[str, Any] = {
        "start": at("2026-03-31"),
        "end": at("2026-04-30"),
        "interval": MONTHLY,
        "anchor_day": 31,
        **changes,
    }
    fields = cycles_had(Subscription(**billing), begins=at(begins), ends=None if ends is None else at(ends))
    last = fields.get("lastCycle", {"start": None, "end": None})
    return fields.get("firstCycleStart", fields.get("startsOn")), fields.get("cycles"), last["start"], last["end"]


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        ("2026-03-31", None, ("2026-03-31", 1, "2026-03-31", "2026-04-30")),
        # The two requests take their time.
        ("2026-03-31T00:00:59", None, ("2026-03-31", 1, "2026-03-31", "2026-04-30")),
        ("2026-03-31T00:02", None, ("2026-04-30", None, None, None)),
        # Through the end of February, on the day of the anchor.
        ("2026-01-31", None, ("2026-01-31", 3, "2026-03-31", "2026-04-30")),
        ("2026-01-30", None, ("2026-01-31", 3, "2026-03-31", "2026-04-30")),
        ("2026-02-01", None, ("2026-02-28", 2, "2026-03-31", "2026-04-30")),
        # It has ended before the current period.
        ("2025-12-31", "2026-02-28", ("2025-12-31", 2, "2026-01-31", "2026-02-28")),
        ("2025-12-31", "2026-02-28T01:00", ("2025-12-31", 3, "2026-02-28", "2026-03-31")),
    ],
)
def test_the_periods_since_the_beginning_are_cycles(begins: str, ends: str | None, expected: tuple[Any, ...]):
    """Up to the end, if there is one."""
    assert had(begins, ends) == expected


def test_other_intervals_are_counted_in_their_own_length():
    """Years, and weeks over months."""
    yearly: dict[str, Any] = {"start": at("2024-02-29"), "end": at("2025-02-28"), "interval": YEARLY, "anchor_day": 29}
    assert had("2020-02-29", **yearly) == ("2020-02-29", 5, "2024-02-29", "2025-02-28")
    weekly: dict[str, Any] = {"start": at("2026-03-30"), "end": at("2026-04-06"), "interval": WEEKLY}
    assert had("2026-02-25", **weekly) == ("2026-03-02", 5, "2026-03-30", "2026-04-06")


def test_another_anchor_is_not_followed():
    """The current period says on which day the periods begin now."""
    assert had("2026-02-01", start=at("2026-03-15"), end=at("2026-04-15"))[:2] == ("2026-02-15", 2)


@pytest.mark.parametrize(
    ("interval", "begins", "expected"),
    [
        # Three months from May 5 hold the week of August 4, which is after July 30 and before August 5.
        (WEEKLY, "2026-04-30", True),
        (WEEKLY, "2026-05-05", False),
        (MONTHLY, "2026-04-30", False),
        (Interval(months=3), "2026-04-30", False),
        (Interval(months=2), "2026-04-30", False),
        (Interval(months=2), "2026-03-06", True),
    ],
)
def test_months_from_a_later_day_may_hold_one_more_period(interval: Interval, begins: str, expected: bool):
    """Periods of a month never."""
    billing = Subscription(start=at("2026-05-05"), end=at("2026-07-05"), interval=interval, anchor_day=5)
    ends = at(begins).replace(month=at(begins).month + 3)
    assert differs_here(billing, months=3, ends=ends, first=date(2026, 5, 5)) is expected


@pytest.mark.parametrize(("begins", "expected"), [("2026-03-29T13:00", False), ("2026-03-30T13:00", True)])
def test_months_from_the_last_of_a_month_may_hold_one_period_less(begins: str, expected: bool):
    """June 30 is before the end there, which is at noon, and is the end of three months from March 31."""
    billing = Subscription(start=at("2026-02-28"), end=at("2026-03-31"), interval=MONTHLY, anchor_day=31)
    ends = at(begins).replace(month=6)
    assert differs_here(billing, months=3, ends=ends, first=date(2026, 3, 31)) is expected


def test_periods_that_stayed_on_the_last_day_of_february_are_counted_to_the_first():
    """It began on January 31, and each period a month after the one before."""
    billing = Subscription(start=at("2026-04-28"), end=at("2026-05-28"), interval=MONTHLY, anchor_day=31)
    assert cycles_since(billing, begins=at("2026-01-31")) == {
        "firstCycleStart": "2026-01-28",
        "cycles": 4,
        "lastCycle": {"start": "2026-04-28", "end": "2026-05-28"},
    }


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("month", 3, Interval(months=3)),
        ("year", None, Interval(months=12)),
        ("day", 10, Interval(days=10)),
        ("week", 2, Interval(days=14)),
        ("fortnight", 1, None),
        (None, 1, None),
        ("month", 0, None),
        ("month", "1", None),
        ("year", 101, None),
        ("day", 10**400, None),
    ],
)
def test_an_interval_is_a_number_of_months_or_days(name: object, number: object, expected: Interval | None):
    """Anything else is not understood."""
    assert interval_of(name, number) == expected
