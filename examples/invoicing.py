"""Subscriptions with a billing interval, and the invoices of their periods. Every discount was worked out by hand."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from catalogue import PROJECT, Json
from redeeming import CROWD, CROWD_VOUCHERS, FIVEOFF_CURRENCIES

MONTHLY, YEARLY, WEEKLY, THIRTY_DAYS = {"months": 1}, {"months": 12}, {"days": 7}, {"days": 30}


def lines(**amounts: int) -> list[Json]:
    """Return the lines of an invoice: a base line, and a data line if an amount is given."""
    products = {"base": "prod_basic", "data": "prod_data_5gb"}
    return [{"id": name, "amount": amount, "product": products[name]} for name, amount in amounts.items()]


def plan(about: str, subscription: str, every: Json, starts_on: str, voucher: str, **more: Any) -> Json:
    """Return a subscription with the terms of billing and the discount of each invoice.

    `discounts` and `fullPriceFrom` were worked out by hand from the rules of recurrence, so that they can prove
    the program wrong.
    """
    customer = subscription.replace("sub_", "cus_")
    return {"about": about, "subscription": subscription, "customer": customer, "every": every,
            "startsOn": starts_on, "voucher": voucher, "currency": "USD"} | more  # fmt: skip


PLANS = [
    plan("Monthly on the 31st: three months are three invoices, whatever day a month ends on",
         "sub_monthly_31", MONTHLY, "2025-01-31", "THREE999",
         lines=lines(base=4300, data=3700), discounts=[999, 999, 999, 0, 0, 0], fullPriceFrom="2025-04-30"),
    plan("Yearly: four months discount the whole year in which they begin",
         "sub_yearly", YEARLY, "2022-03-15", "FOURMONTHS",
         lines=lines(base=120_000), discounts=[24_000, 0, 0], fullPriceFrom="2022-07-15"),
    plan("Yearly: the thirteenth month begins a second year",
         "sub_yearly_13", YEARLY, "2022-03-15", "THIRTEEN",
         lines=lines(base=120_000), discounts=[24_000, 24_000, 0], fullPriceFrom="2023-04-15"),
    plan("Weekly: every week that starts within the two months, January 6 to March 3",
         "sub_weekly", WEEKLY, "2025-01-06", "TWOMONTHS",
         lines=lines(base=1200), discounts=[300] * 9 + [0, 0], fullPriceFrom="2025-03-06"),
    plan("Every 30 days: the fourth period starts on July 16, a day before the three months are over",
         "sub_30_day", THIRTY_DAYS, "2025-04-17", "THREE999",
         lines=lines(base=8000), discounts=[999, 999, 999, 999, 0], fullPriceFrom="2025-07-17"),
    plan("For ever, in yen, whose minor unit is the yen itself",
         "sub_forever", MONTHLY, "2025-01-01", "LOYAL10",
         currency="JPY", lines=lines(base=1980), discounts=[198] * 5, fullPriceFrom=None),
    plan("Once: 30.12 % of 9.99 USD are 3.01 USD",
         "sub_once", MONTHLY, "2025-01-31", "WELCOME30",
         lines=lines(base=999), discounts=[301, 0, 0]),
]  # fmt: skip

CROWD_STARTS_ON = "2025-01-31"
CROWD_INTERVALS = {"monthly": MONTHLY, "yearly": YEARLY, "weekly": WEEKLY, "30-day": THIRTY_DAYS}
# The discounts of the first five invoices over 25.00 (2,500 yen). Three months from January 31 end on April 30. They
# cover three monthly periods, a yearly period, all five weekly periods, and three periods of 30 days: the fourth starts
# on May 1.
CROWD_DISCOUNTS: dict[str, dict[str, list[int]]] = {
    "WELCOME30": {interval: [753] + [0] * 4 for interval in CROWD_INTERVALS},
    "THREE999": {"monthly": [999] * 3 + [0] * 2, "yearly": [999] + [0] * 4, "weekly": [999] * 5,
                 "30-day": [999] * 3 + [0] * 2},
    "LOYAL10": {interval: [250] * 5 for interval in CROWD_INTERVALS},
}  # fmt: skip
FIVEOFF_AMOUNTS = {"USD": 500, "EUR": 450, "JPY": 700}
CROWD_ENDS_ON: dict[str, Json] = {"THREE999": {"fullPriceFrom": "2025-04-30"}, "LOYAL10": {"fullPriceFrom": None}}


def crowd_plan(number: int) -> Json:
    """Return the plan of a subscription of the crowd. All vouchers meet all intervals, in equal parts."""
    voucher = list(CROWD_VOUCHERS)[number % 4]
    interval = list(CROWD_INTERVALS)[number // 4 % 4]
    currency = FIVEOFF_CURRENCIES[number // 16 % 3] if voucher == "FIVEOFF" else "USD"
    discounts = [FIVEOFF_AMOUNTS[currency]] * 5 if voucher == "FIVEOFF" else CROWD_DISCOUNTS[voucher][interval]
    return plan("", f"sub_{number:05}", CROWD_INTERVALS[interval], CROWD_STARTS_ON, voucher, currency=currency,
                lines=lines(base=2500), discounts=discounts, **CROWD_ENDS_ON.get(voucher, {}))  # fmt: skip


def period_start(starts_on: str, every: Json, number: int) -> date:
    """Return the first day of a period. Period 0 is the first. A day beyond the end of a month becomes the last day."""
    first = date.fromisoformat(starts_on)
    if "days" in every:
        return first + timedelta(days=number * every["days"])
    years, month = divmod(first.year * 12 + first.month - 1 + number * every["months"], 12)
    return date(years, month + 1, min(first.day, monthrange(years, month + 1)[1]))


def invoice(subscription: str, invoice_id: str, starts: date, ends: date, **more: Any) -> Json:
    """Return the body of an invoice over a period."""
    customer = subscription.replace("sub_", "cus_")
    return {"project": PROJECT, "invoice": invoice_id, "subscription": subscription, "customer": customer,
            "currency": "USD", "period": {"start": starts.isoformat(), "end": ends.isoformat()}} | more  # fmt: skip


def plan_invoice(terms: Json, number: int) -> Json:
    """Return an invoice of a plan with the expected answer."""
    starts, ends = (period_start(terms["startsOn"], terms["every"], number + after) for after in (0, 1))
    name = terms["subscription"].removeprefix("sub_")
    body = invoice(terms["subscription"], f"inv_{name}_{number + 1}", starts, ends,
                   currency=terms["currency"], lines=terms["lines"])  # fmt: skip
    subtotal, amount = sum(line["amount"] for line in terms["lines"]), terms["discounts"][number]
    window = {"fullPriceFrom": terms["fullPriceFrom"]} if "fullPriceFrom" in terms else {}
    given = [{"amount": amount, "cycle": number + 1} | window] if amount else []
    answer = {"outcome": "applied", "subtotal": subtotal, "discountTotal": amount, "total": subtotal - amount,
              "discounts": given, "skipped": []}  # fmt: skip
    return {"request": body, "answer": answer}


def billing_run(number: int) -> list[Json]:
    """Return the invoices of all subscriptions' periods of this number, with the first period as number 0."""
    everybody = [*PLANS, *map(crowd_plan, range(CROWD))]
    return [plan_invoice(terms, number) for terms in everybody if number < len(terms["discounts"])]


def billing_runs() -> list[list[Json]]:
    """Return the billing runs, as many as the longest plan has invoices."""
    return [billing_run(number) for number in range(max(len(terms["discounts"]) for terms in PLANS))]
