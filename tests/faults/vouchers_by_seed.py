"""The vouchers of a run, drawn by a seed: few places, budgets, allowances, totals, ramps, and durations to extend."""

import random
from collections.abc import Callable

from tests.faults.history import Json
from tests.faults.request import PROJECT, Request


def new_voucher(kind: Callable[[random.Random], Json], source: random.Random, *, request_id: str) -> Request:
    """Return the creation of a voucher of that kind: 10 % for ever, unless the kind says otherwise."""
    drawn = kind(source)
    code = {"code": request_id.upper()} if drawn.pop("has_code", False) else {}
    has_price = "priceDiscount" in drawn or "phases" in drawn.get("recurrence", {})
    price = {} if has_price else {"priceDiscountPercentage": 10}
    body = {"project": PROJECT, "requestId": request_id, "name": request_id, "recurrence": {"type": "forever"}}
    return Request("vouchers.create", {**body, **price, **code, **drawn})


def _fixed(source: random.Random) -> Json:
    return {"priceDiscount": {"amount": source.randint(500, 5_000), "currency": "USD"}}


def _minimum(source: random.Random) -> Json:
    return {"amount": source.randint(1_000, 9_000), "currency": "USD", "on": "invoice"}


def _ramp(source: random.Random) -> Json:
    """Return a percentage, an amount and another percentage, one cycle or month after the other."""
    unit = source.choice(("durationInMonths", "durationInCycles"))
    prices: tuple[Json, ...] = ({"priceDiscountPercentage": 50}, _fixed(source), {"priceDiscountPercentage": 12.5})
    return {"recurrence": {"type": "repeating", "phases": [{**each, unit: 1} for each in prices]}}


KINDS: tuple[Callable[[random.Random], Json], ...] = (
    lambda source: {"restrictions": {"maximumRedemptions": source.randint(1, 40)}},
    lambda source: {"restrictions": {"maximumRedemptions": source.randint(20, 100)}, "has_code": True},
    lambda _source: {},
    lambda _source: {"recurrence": {"type": "once"}},
    lambda source: {"budget": {"amount": source.randint(500, 5_000), "currency": "USD"}},
    lambda source: {"restrictions": {"maximumRedemptionsPerCustomer": source.randint(1, 3)}},
    lambda source: {"recurrence": {"type": "repeating", "durationInMonths": source.randint(1, 3)}},
    lambda source: {"recurrence": {"type": "repeating", "durationInCycles": source.randint(1, 3)}, **_fixed(source)},
    _fixed,
    lambda source: {"recurrence": {"type": "repeating", "durationInMonths": 6}, "carryOver": True, **_fixed(source)},
    _ramp,
    lambda source: {"maximumDiscountInAll": {"amount": source.randint(500, 2_000), "currency": "USD"}},
    lambda source: {"exclusive": True, "priority": source.randint(0, 1_000)},
    lambda _source: {"priceDiscountPercentage": 33.3333},
    lambda source: {"restrictions": {"excludedProducts": ["prod_seats"]}, **_fixed(source)},
    lambda source: {"restrictions": {"minimumSubtotal": _minimum(source)}, **_fixed(source)},
)
