"""Random vouchers, their updates and their redemptions."""

from datetime import timedelta
from typing import Any

from tests.oracle.discounts import Voucher
from tests.oracle.drawn import CURRENCIES, PRODUCTS, Drawn


def price(drawn: Drawn, smallest: int, largest: int) -> dict[str, Any]:
    """Draw an amount in one to three currencies."""
    named = drawn.random.sample(CURRENCIES, drawn.random.randint(1, 3))
    amounts = {each: drawn.random.randint(smallest, largest) for each in named}
    return {"amount": amounts.pop(named[0]), "currency": named[0], "currencyOptions": amounts}


def terms(drawn: Drawn) -> dict[str, Any]:
    """Draw a voucher."""
    body: dict[str, Any] = {"project": drawn.project, "name": "Drawn", "recurrence": recurrence(drawn)}
    if drawn.is_so(0.25):
        body["recurrence"] = {"type": "repeating", "phases": phases(drawn)}
    elif drawn.is_so(0.5):
        body["priceDiscountPercentage"] = percentage(drawn)
    else:
        body["priceDiscount"] = price(drawn, 1, drawn.random.choice([20, 3000, 20000]))
        body["carryOver"] = body["recurrence"]["type"] != "once" and drawn.is_so(0.4)
    if drawn.is_so(0.2):
        body["maximumDiscount"] = price(drawn, 1, 3000)
    if not body.get("carryOver") and drawn.is_so(0.3):
        body["maximumDiscountInAll"] = price(drawn, 1, drawn.random.choice([3000, 20000]))
    if drawn.is_so(0.25):
        body["budget"] = price(drawn, 1, 15000)
    if drawn.is_so(0.45):
        body["restrictions"] = restrictions(drawn)
    if drawn.is_so(0.1):
        body["exclusive"] = True
    if drawn.is_so(0.15):
        least = {"amount": drawn.random.randint(1, 9000), "currency": drawn.random.choice(CURRENCIES), "on": "invoice"}
        body["restrictions"] = {**body.get("restrictions", {}), "minimumSubtotal": least}
    if drawn.is_so(0.3):
        body["priority"] = drawn.random.choice([0, 499, 500, 501, 1000])
    return body


def percentage(drawn: Drawn) -> float:
    """Draw a percentage of up to four decimals."""
    usual = [0.0001, 1, 12.5, 33.3333, 50, 99.9999, 100]
    return drawn.random.choice([*usual, drawn.random.randint(1, 1000000) / 10000])


def phases(drawn: Drawn) -> list[dict[str, Any]]:
    """Draw one to four phases, in months or in cycles. All their amounts have a currency in common."""
    unit = drawn.random.choice(["durationInMonths", "durationInCycles"])
    common = drawn.random.choice(CURRENCIES)
    drawn_phases: list[dict[str, Any]] = []
    for _ in range(drawn.random.randint(1, 4)):
        phase: dict[str, Any] = {unit: drawn.random.choice([1, 1, 2, 3])}
        if drawn.is_so(0.5):
            phase["priceDiscountPercentage"] = percentage(drawn)
        else:
            amounts = price(drawn, 1, drawn.random.choice([20, 3000, 20000]))
            if amounts["currency"] != common:
                amounts["currencyOptions"].setdefault(common, amounts["amount"])
            phase["priceDiscount"] = amounts
        drawn_phases.append(phase)
    return drawn_phases


def update(drawn: Drawn, voucher_id: str, spent: dict[str, int] | None) -> dict[str, Any]:
    """Draw other products for a voucher, or other amounts for its budget, which are never below the amounts spent."""
    body: dict[str, Any] = {"project": drawn.project, "voucher": voucher_id}
    if spent and drawn.is_so(0.6):
        first, *others = ((each, amount + drawn.random.randint(1, 3000)) for each, amount in spent.items())
        return {**body, "budget": {"currency": first[0], "amount": first[1], "currencyOptions": dict(others)}}
    return {**body, "restrictions": {"products": None, "excludedProducts": None, **restrictions(drawn)}}


def restrictions(drawn: Drawn) -> dict[str, Any]:
    """Draw products for a voucher, products that it excludes, or both."""
    first, *others = drawn.random.sample(PRODUCTS, 3)
    return drawn.random.choice(
        [
            {},
            {"products": [first]},
            {"products": [first, others[0]]},
            {"excludedProducts": [first]},
            {"excludedProducts": others},
            {"products": others, "excludedProducts": [first]},
        ]
    )


def recurrence(drawn: Drawn) -> dict[str, Any]:
    """Draw how long a discount lasts."""
    few = drawn.random.choice([1, 1, 1, 2, 2, 3, 13])
    in_months, in_cycles = ({"type": "repeating", name: few} for name in ("durationInMonths", "durationInCycles"))
    return drawn.random.choice([{"type": "once"}, {"type": "forever"}, in_months, in_months, in_cycles])


def redemption(drawn: Drawn, voucher: Voucher, number: int) -> dict[str, Any]:
    """Draw a redemption that the voucher's restrictions allow."""
    subscription = drawn.subscription()
    body = {
        "project": drawn.project,
        "requestId": f"redemption-{number}",
        "voucher": voucher.id,
        "customer": "cus_1",
        "subscription": subscription,
        "products": voucher.products,
        "currency": next(iter(voucher.all_currencies()), None),
    }
    if drawn.is_so(0.9):
        plan, here = drawn.plans[subscription], drawn.at.get(subscription, 0)
        earlier = plan.boundary(here + drawn.random.randint(-3, 1)) + timedelta(days=drawn.random.choice([0, 0, 1, 10]))
        body["startsOn"] = earlier.isoformat()
    return body


def begun(drawn: Drawn, voucher: Voucher, number: int) -> dict[str, Any]:
    """Draw a discount that has had some cycles of its subscription in another system, as the voucher allows."""
    subscription = drawn.subscription()
    body: dict[str, Any] = {
        "project": drawn.project,
        "ref": f"begun-{number}",
        "voucher": voucher.id,
        "customer": "cus_1",
        "subscription": subscription,
        "redeemedAt": drawn.random.choice(["2023-11-01T10:00:00Z", "2023-11-02T23:30:00-11:00"]),
    }
    plan, here = drawn.plans[subscription], drawn.at.get(subscription, 0)
    most = 1 if voucher.type == "once" else voucher.cycles or 3
    if voucher.months is not None:
        most = min(most, voucher.months // max(plan.months, 1)) if plan.months else 1
    cycles = drawn.random.randint(0, most)
    if cycles:
        first = here + drawn.random.randint(-4, 0) - cycles
        last = {"start": plan.boundary(first + cycles - 1), "end": plan.boundary(first + cycles)}
        body |= {"firstCycleStart": plan.boundary(first).isoformat(), "cycles": cycles}
        body |= {"lastCycle": {name: day.isoformat() for name, day in last.items()}, "taken": taken(drawn, voucher)}
    return body


def taken(drawn: Drawn, voucher: Voucher) -> dict[str, int]:
    """Draw an amount that a discount may have taken before: not more than its total or what the budget has left."""
    named = [each for each in (voucher.price, voucher.maximum, voucher.in_all, voucher.unspent()) if each is not None]
    currencies = [each for each in CURRENCIES if all(each in amounts for amounts in named)]
    limits = [each for each in (voucher.total, voucher.unspent()) if each]
    if not currencies or drawn.is_so(0.3):
        return {}
    currency = drawn.random.choice(currencies)
    most = min([3000, *(each[currency] for each in limits)])
    return {currency: drawn.random.randint(1, most)} if most > 0 else {}
