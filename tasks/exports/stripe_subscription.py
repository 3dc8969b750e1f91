"""The periods and the lists in a subscription of Stripe, of any version of its API."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.exports.cycles import Interval, Subscription, interval_of
from tasks.wire.fields import in_calendar


def billing_of(subscription: Any) -> Subscription | None:
    """Return the periods of a subscription, or None if they are not understood."""
    items = items_of(subscription)
    # Later versions of the API have the period in each item.
    first = items[0] if items else {}
    where = subscription if "current_period_start" in subscription else first
    start, end = instant_of(where.get("current_period_start")), instant_of(where.get("current_period_end"))
    interval = _interval(first.get("price"), first.get("plan"), subscription.get("plan"))
    if start is None or end is None or interval is None:
        return None
    anchor = instant_of(subscription.get("billing_cycle_anchor")) or start
    return Subscription(start=start, end=end, interval=interval, anchor_day=anchor.day)


def _interval(price: Any, *plans: Any) -> Interval | None:
    recurring = price.get("recurring") if isinstance(price, Mapping) else None
    for each in (recurring, *plans):
        if isinstance(each, Mapping):
            return interval_of(each.get("interval"), each.get("interval_count"))
    return None


def items_of(subscription: Any) -> list[Any]:
    """Return the items of a subscription."""
    items = subscription.get("items")
    return [each for each in listed(items.get("data")) if isinstance(each, Mapping)] if isinstance(items, dict) else []


def listed(value: Any) -> list[Any]:
    """Return what a list has, without nulls. Anything else has nothing."""
    return [each for each in value if each is not None] if isinstance(value, list) else []


def instant_of(seconds: Any) -> datetime | None:
    """Return the instant of a Unix timestamp, or None if it is none that can be stored."""
    try:
        at = datetime.fromtimestamp(seconds, UTC) if type(seconds) is int else None
        return None if at is None else datetime.combine(in_calendar(at.date()), at.timetz())
    except (OverflowError, ValueError, OSError):
        return None
