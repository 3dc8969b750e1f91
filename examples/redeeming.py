"""The redemption requests, as scenarios with known answers: they follow from how the requests were built."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from catalogue import GIFTS, PROJECT, RUSH_MAXIMUM, STACKED, Json, instant

# The number of a subscription decides voucher, interval and currency: see `invoicing.py`. A multiple of 48 gives equal
# parts.
CROWD = 1440
CROWD_VOUCHERS = {"WELCOME30": "Welcome", "THREE999": "Three months cheaper", "LOYAL10": "Loyalty",
                  "FIVEOFF": "Five off everywhere"}  # fmt: skip
FIVEOFF_CURRENCIES = ("USD", "EUR", "JPY")
RUSHING = 600
RUNNING_DISCOUNTS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Requests that belong together, and their answers in any order of arrival.

    `answers` counts the answers by outcome or reason. `redemptions` counts the redemptions of each voucher, with
    numbered vouchers counted together. The first `alone` requests are sent as single messages, the others in bulk.
    """

    name: str
    about: str
    requests: list[Json]
    answers: dict[str, int]
    redemptions: dict[str, int] = field(default_factory=dict)
    alone: int = 0


def request(request_id: str, code: str, subscription: str, **more: object) -> Json:
    """Return the body of a redemption. The customer is named after the subscription."""
    customer = subscription.replace("sub_", "cus_")
    body: Json = {"project": PROJECT, "requestId": request_id, "code": code, "customer": customer}
    return body | {"subscription": subscription} | more


def refused(reason: str, about: str, code: str, count: int = 30, **more: object) -> Scenario:
    """Return a scenario whose requests are all refused for the same reason, a third of them sent alone."""
    requests = [request(f"{reason}-{n:03}", code, f"sub_{reason}_{n:03}", **more) for n in range(count)]
    return Scenario(name=reason, about=about, requests=requests, answers={reason: count}, alone=count // 3)


def crowd() -> Scenario:
    """Return requests of many subscriptions, each for one of four open vouchers. All are accepted."""
    codes = list(CROWD_VOUCHERS)
    requests = []
    for n in range(CROWD):
        code = codes[n % 4]
        currency = FIVEOFF_CURRENCIES[n // 16 % 3] if code == "FIVEOFF" else "USD"
        requests.append(
            request(f"order-{n:05}", code, f"sub_{n:05}", currency=currency, subtotal=2500, startsOn="2025-01-31")
        )
    return Scenario(
        name="crowd",
        about="four open vouchers, one for each subscription",
        requests=requests,
        answers={"accepted": CROWD},
        redemptions=dict.fromkeys(CROWD_VOUCHERS.values(), CROWD // 4),
    )


def rush() -> Scenario:
    """Return requests of six times as many customers as a voucher has redemptions."""
    return Scenario(
        name="rush",
        about=f"{RUSHING} want a voucher that {RUSH_MAXIMUM} can have",
        requests=[request(f"rush-{n:03}", "FLASH100", f"sub_rush_{n:03}") for n in range(RUSHING)],
        answers={"accepted": RUSH_MAXIMUM, "max_redemptions_reached": RUSHING - RUSH_MAXIMUM},
        redemptions={"The rush": RUSH_MAXIMUM},
        alone=RUSHING // 4,
    )


def gifts() -> Scenario:
    """Return requests of two rivals for every single-use gift code."""
    requests = [
        request(f"gift-{n:04}-{rival}", f"GIFT-{n:04}", f"sub_gift_{n:04}_{rival}", currency="USD")
        for n in range(1, GIFTS + 1)
        for rival in "ab"
    ]
    answers = {"accepted": GIFTS, "max_redemptions_reached": GIFTS}
    about = "two rivals for each single-use code"
    return Scenario(name="gifts", about=about, requests=requests, answers=answers, redemptions={"Gift": GIFTS})


def greedy_customers(customers: int = 60) -> Scenario:
    """Return requests of each customer on three subscriptions, for a voucher that each customer can redeem once."""
    requests = [
        request(f"greedy-{n:02}-{attempt}", "ONEEACH", f"sub_greedy_{n:02}_{attempt}", customer=f"cus_greedy_{n:02}")
        for n in range(customers)
        for attempt in range(3)
    ]
    return Scenario(
        name="greedy customers",
        about="one for each customer, who tries three times",
        requests=requests,
        answers={"accepted": customers, "customer_limit_reached": 2 * customers},
        redemptions={"One for each customer": customers},
        alone=60,
    )


def eager_subscriptions(subscriptions: int = 40) -> Scenario:
    """Return two requests, under two request ids, for the same voucher on the same subscription."""
    requests = [
        request(f"eager-{n:02}-{attempt}", "LOYAL10", f"sub_eager_{n:02}")
        for n in range(subscriptions)
        for attempt in range(2)
    ]
    return Scenario(
        name="eager subscriptions",
        about="the same voucher twice on a subscription",
        requests=requests,
        answers={"accepted": subscriptions, "already_applied": subscriptions},
        redemptions={"Loyalty": subscriptions},
        alone=subscriptions,
    )


def crowded_subscriptions(subscriptions: int = 2) -> Scenario:
    """Return requests for 25 vouchers at once on a subscription that may have 20 discounts."""
    requests = [
        request(f"stack-{n}-{voucher:02}", f"STACK-{voucher:02}", f"sub_crowded_{n}")
        for n in range(subscriptions)
        for voucher in range(1, STACKED + 1)
    ]
    accepted = subscriptions * RUNNING_DISCOUNTS_MAX
    return Scenario(
        name="crowded subscriptions",
        about=f"{STACKED} vouchers at once, {RUNNING_DISCOUNTS_MAX} can run",
        requests=requests,
        answers={"accepted": accepted, "discount_limit_reached": len(requests) - accepted},
        redemptions={"Stack": accepted},
        alone=len(requests),
    )


def twins(count: int = 50) -> Scenario:
    """Return each message twice at the same moment, as a broker redelivers after a lost connection."""
    once = [request(f"twin-{n:02}", "LOYAL10", f"sub_twin_{n:02}") for n in range(count)]
    return Scenario(
        name="twins",
        about="each message twice at the same moment: one effect",
        requests=[body for body in once for _ in range(2)],
        answers={"accepted": 2 * count},
        redemptions={"Loyalty": count},
        alone=2 * count,
    )


def late(now: datetime, name: str, in_time: int = 20) -> Scenario:
    """Return requests for a voucher that ended five minutes ago. A request made a minute before the end is accepted."""
    before, after, long_before = (instant(now - timedelta(minutes=minutes)) for minutes in (6, 4, 21))
    wanted = [("JUSTOVER", before)] * in_time + [("JUSTOVER", after)] * 10 + [("LONGOVER", long_before)] * 10
    slug = name.replace(",", "").replace(" ", "_")
    requests = [
        request(f"{slug}-{n:02}", code, f"sub_{slug}_{n:02}", requestedAt=requested_at)
        for n, (code, requested_at) in enumerate(wanted)
    ]
    return Scenario(
        name=name,
        about="asked before its end, at most 15 minutes ago: given",
        requests=requests,
        answers={"accepted": in_time, "voucher_expired": len(requests) - in_time},
        redemptions={"Just over": in_time},
        alone=len(requests) // 2,
    )


def misspelt() -> Scenario:
    """Return invalid requests. The valid requests beside them go on."""
    wrong: list[Json] = [{"maximumRedemption": 1}, {"requestedAt": "2026-03-01T10:00:00"}, {"subtotal": -1},
                         {"currency": "XXL"}, {"code": "N\0L"}]  # fmt: skip
    requests = [request(f"wrong-{n}", "LOYAL10", f"sub_wrong_{n}") | each for n, each in enumerate(wrong * 2)]
    about = "unknown, naive, negative fields: invalid, nothing written"
    return Scenario(name="misspelt", about=about, requests=requests, answers={"invalid": len(requests)}, alone=5)
