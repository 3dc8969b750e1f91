"""An export of Stripe: the objects as its API returns them."""

from datetime import date, timedelta
from typing import Any

from domain.recurrence import add_months
from tests.exports.running import START, month, seconds
from tests.foreign.stripe import DOCUMENTED as COUPON
from tests.foreign.stripe_promotion_codes import promotion

WITHIN = START + timedelta(days=5)


def coupon(id_: str, **changes: Any) -> dict[str, Any]:
    """Return a coupon of 25.5 % for three months, with the changes."""
    return {**COUPON, "id": id_, "times_redeemed": 1, **changes}


FOREVER = coupon("FOREVER", percent_off=10.0, duration="forever", duration_in_months=None, times_redeemed=2)
REPEATING = coupon("REPEATING")
ONCE = coupon(
    "ONCE",
    percent_off=None,
    amount_off=500,
    currency="usd",
    duration="once",
    duration_in_months=None,
    max_redemptions=2,
    times_redeemed=2,
    valid=False,
)
UNCODED = coupon("20 % off", percent_off=20.0)


def discount(coupon_: dict[str, Any], *, id_: str, start: date, hours: int = 0, newer: bool = False) -> dict[str, Any]:
    """Return an expanded discount, of an earlier or a later version of the API."""
    months = coupon_["duration_in_months"]
    source = {"type": "coupon", "coupon": coupon_["id"]}
    return {
        "id": id_,
        "object": "discount",
        **({"source": source} if newer else {"coupon": coupon_}),
        "start": seconds(start, hours=hours),
        "end": None if months is None else seconds(add_months(start, months=months), hours=hours),
        "promotion_code": None,
    }


def subscription(name: str, *discounts: Any, newer: bool = False, **changes: Any) -> dict[str, Any]:
    """Return a monthly subscription with discounts, whose period is where that version of the API has it."""
    period = {"current_period_start": seconds(month(0)), "current_period_end": seconds(month(1))}
    item = {"id": f"si_{name}", "object": "subscription_item", "discounts": []}
    price = {"id": "price_1", "object": "price", "recurring": {"interval": "month", "interval_count": 1}}
    return {
        "id": f"sub_{name}",
        "object": "subscription",
        "billing_cycle_anchor": seconds(month(-3)),
        "customer": f"cus_{name}",
        "status": "active",
        "discounts": list(discounts),
        "items": {"object": "list", "data": [{**item, "price": price, **(period if newer else {})}]},
        **({} if newer else period),
        **changes,
    }


COUPONS = [FOREVER, REPEATING, ONCE, UNCODED]
CODES = [promotion(id="promo_1", code="WELCOME", promotion={"type": "coupon", "coupon": "FOREVER"}, max_redemptions=3)]
SUBSCRIPTIONS = [
    # The third month of three is still to come.
    subscription("a", discount(REPEATING, id_="di_a", start=month(-1)), customer={"id": "cus_a", "object": "customer"}),
    subscription("b", discount(FOREVER, id_="di_b", start=month(-3), newer=True), newer=True),
    # It is shown, so the invoice of the current period has not used it.
    subscription("c", discount(ONCE, id_="di_c", start=month(0)), status="trialing"),
    # Added within it, so the next invoice has it.
    subscription("d", discount(ONCE, id_="di_d", start=WITHIN)),
    subscription("e", discount(UNCODED, id_="di_e", start=WITHIN, newer=True), newer=True),
    subscription("f", discount(FOREVER, id_="di_f", start=month(-2)), status="canceled"),
    subscription("g"),
]
# Codes and subscriptions stand before their coupons.
EXPORT = [*SUBSCRIPTIONS, *CODES, *COUPONS]
# What the next twelve invoices over 80.00 take off there: 25.5 % are 20.40, 20 % are 16.00.
YEARS = {
    "a": [2_040, *[0] * 11],
    "b": [800] * 12,
    "c": [500, *[0] * 11],
    "d": [500, *[0] * 11],
    "e": [1_600] * 3 + [0] * 9,
    "f": [0] * 12,
    "g": [0] * 12,
}
OUTCOMES = [
    *(("coupon", each["id"], "imported") for each in COUPONS),
    ("promotion_code", "promo_1", "imported"),
    *(("discount", f"di_{each}", "imported") for each in "abcde"),
    ("subscription", "sub_f", "skipped"),
    ("subscription", "sub_g", "skipped"),
]
