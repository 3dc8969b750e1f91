"""The scenarios in waves: all requests of a wave at once, wave after wave."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from catalogue import vouchers
from invoice_stories import stories
from invoicing import PLANS
from redeeming import (
    Scenario,
    crowd,
    crowded_subscriptions,
    eager_subscriptions,
    gifts,
    greedy_customers,
    late,
    misspelt,
    refused,
    request,
    rush,
    twins,
)


def subscribers(now: datetime) -> Scenario:
    """Return the redemptions of the subscriptions in the plans and stories, in order."""
    requests = [
        request(f"redeem-{code}-{each['subscription']}", code, each["subscription"], startsOn=each["startsOn"],
                currency=each.get("currency", "USD"), products=["prod_basic", "prod_data_5gb"])
        for each in [*PLANS, *stories()]
        for code in each.get("vouchers") or [each["voucher"]]
    ]  # fmt: skip
    names = {voucher["code"]: voucher["name"] for voucher in vouchers(now) if "code" in voucher}
    return Scenario(
        name="subscribers",
        about="the subscriptions of plans.json and invoices.json",
        requests=requests,
        answers={"accepted": len(requests)},
        redemptions=Counter(names[body["code"]] for body in requests),
    )


def first_wave(now: datetime) -> Iterator[Scenario]:
    """Yield the scenarios that may run all at once, in any order."""
    yield crowd()
    yield rush()
    yield gifts()
    yield greedy_customers()
    yield eager_subscriptions()
    yield crowded_subscriptions()
    yield twins()
    yield late(now, "late")
    yield misspelt()
    yield refused("voucher_not_found", "nobody issued that code", "NEVERISSUED")
    yield refused("voucher_retired", "retired by hand", "BYHAND")
    yield refused("voucher_not_started", "starts next week", "NOTYET")
    yield refused("voucher_expired", "ended 20 minutes ago", "LONGOVER")
    yield refused("product_not_eligible", "another product", "DATA50", products=["prod_basic"])
    yield refused("currency_mismatch", "not in pounds", "FIVEOFF", currency="GBP")
    yield refused("minimum_subtotal_not_met", "a cent too little", "MINIMUM50", currency="USD", subtotal=4999)


def second_wave(first: list[Scenario]) -> Iterator[Scenario]:
    """Yield requests of the first wave again: word for word, and changed."""
    by_name = {scenario.name: scenario for scenario in first}
    about = "word for word again: the first answer"
    for name in ("rush", "voucher_expired", "voucher_not_found"):
        scenario = by_name[name]
        yield Scenario(name=f"{name}, again", about=about, requests=scenario.requests, answers=scenario.answers)
    crowd_again = by_name["crowd"].requests[::5]
    yield Scenario(name="crowd, again", about=about, requests=crowd_again, answers={"accepted": len(crowd_again)})
    changed = [body | {"customer": "cus_somebody_else"} for body in by_name["crowd"].requests[::15]]
    yield Scenario(
        name="changed",
        about="a used request id with another body",
        requests=changed,
        answers={"idempotency_conflict": len(changed)},
        alone=20,
    )


def third_wave(now: datetime) -> Iterator[Scenario]:
    """Yield the requests after the sweep: late requests as before, and vouchers again after their first window."""
    yield late(now, "late, after the sweep")
    over = [("THREE999", "sub_monthly_31"), ("TWOMONTHS", "sub_weekly")]
    requests = [request(f"renewed-{code}", code, subscription, currency="USD") for code, subscription in over]
    yield Scenario(
        name="renewed",
        about="the same voucher when its first window is over",
        requests=requests,
        answers={"accepted": len(requests)},
        redemptions={"Three months cheaper": 1, "Two months": 1},
    )


def waves(now: datetime) -> list[list[Scenario]]:
    """Return the scenarios in waves."""
    first = list(first_wave(now))
    return [[subscribers(now)], first, list(second_wave(first)), list(third_wave(now))]
