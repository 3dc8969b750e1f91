"""The vouchers of the examples, as a caller of `vouchers.create` writes them."""

from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

PROJECT = "acme"
RUSH_MAXIMUM = 100
GIFTS = 100
OVERDUE = 50
# Five more than the 20 discounts that a subscription may have.
STACKED = 25


def instant(moment: datetime) -> str:
    """Return a UTC instant in RFC 3339, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def id_of(name: str) -> str:
    """Return the placeholder for the id of the voucher of this name."""
    return f"(id of {name})"


def percentage(name: str, code: str | None, percent: float, recurrence: Json, **more: Any) -> Json:
    """Return the body of a percentage voucher."""
    return {
        "project": PROJECT,
        "name": name,
        **({"code": code} if code else {}),
        "priceDiscountPercentage": percent,
        "recurrence": recurrence,
        **more,
    }


def fixed(name: str, code: str, price_discount: Json, recurrence: Json, **more: Any) -> Json:
    """Return the body of a voucher over an amount in minor units."""
    return {
        "project": PROJECT,
        "name": name,
        "code": code,
        "priceDiscount": price_discount,
        "recurrence": recurrence,
        **more,
    }


ONCE: Json = {"type": "once"}
FOREVER: Json = {"type": "forever"}


def repeating(months: int) -> Json:
    """Return the recurrence of a voucher that runs for so many months."""
    return {"type": "repeating", "durationInMonths": months}


def open_ended() -> list[Json]:
    """Return the vouchers without restrictions, each with another recurrence."""
    return [
        percentage("Welcome", "WELCOME30", 30.12, ONCE),
        fixed("Three months cheaper", "THREE999", {"amount": 999, "currency": "USD"}, repeating(3)),
        percentage("Loyalty", "LOYAL10", 10, FOREVER),
        fixed(
            "Five off everywhere",
            "FIVEOFF",
            {"amount": 500, "currency": "USD", "currencyOptions": {"EUR": 450, "JPY": 700}},
            FOREVER,
        ),
        percentage("Two months", "TWOMONTHS", 25, repeating(2)),
        percentage("Four months", "FOURMONTHS", 20, repeating(4)),
        percentage("Thirteen months", "THIRTEEN", 20, repeating(13)),
        percentage("Ten years", "TENYEARS", 5, repeating(120)),
    ]


def restricted(now: datetime) -> list[Json]:
    """Return the vouchers with a restriction that a request can meet."""
    return [
        percentage(
            "Monthly Basic 15%",
            "SUMMER",
            15,
            repeating(3),
            restrictions={
                "expiresAt": instant(now + timedelta(days=44)),
                "maximumRedemptions": 100,
                "maximumRedemptionsPerCustomer": 1,
                "products": ["prod_basic"],
                "minimumSubtotal": {"amount": 5000, "currency": "USD"},
            },
        ),
        percentage(
            "Half price data",
            "DATA50",
            50,
            FOREVER,
            restrictions={"products": ["prod_data_5gb", "prod_data_20gb"]},
        ),
        percentage(
            "The rush",
            "FLASH100",
            20,
            ONCE,
            restrictions={"expiresAt": instant(now + timedelta(days=1)), "maximumRedemptions": RUSH_MAXIMUM},
        ),
        percentage("One for each customer", "ONEEACH", 5, ONCE, restrictions={"maximumRedemptionsPerCustomer": 1}),
        percentage(
            "Fifty dollars or more",
            "MINIMUM50",
            5,
            ONCE,
            restrictions={"minimumSubtotal": {"amount": 5000, "currency": "USD"}},
        ),
    ]


def out_of_reach(now: datetime) -> list[Json]:
    """Return the vouchers with a restriction that refuses every request, at once or after the first redemption."""
    return [
        percentage("Not yet", "NOTYET", 10, ONCE, restrictions={"startsAt": instant(now + timedelta(days=7))}),
        percentage("Just over", "JUSTOVER", 10, ONCE, restrictions={"expiresAt": instant(now - timedelta(minutes=5))}),
        percentage("Long over", "LONGOVER", 10, ONCE, restrictions={"expiresAt": instant(now - timedelta(minutes=20))}),
        percentage("Retired by hand", "BYHAND", 10, ONCE),
        percentage("Only one", "ONLYONE", 10, ONCE, restrictions={"maximumRedemptions": 1}),
        # An expired voucher loses its code to a new voucher with the same code.
        percentage("Spring last year", "SPRING", 10, ONCE, restrictions={"expiresAt": instant(now - timedelta(365))}),
        percentage("Spring this year", "SPRING", 12.5, ONCE),
    ]


def partner_campaign() -> Json:
    """Return a voucher without a code and with the maximum of metadata."""
    regions = [f"region-{number:02}" for number in range(1, 47)]
    metadata: Json = {"partner": "acme", "budget": 250_000, "share": 0.25, "confidential": True}
    metadata |= {region: f"cost-centre-{4000 + number}" for number, region in enumerate(regions, start=1)}
    return percentage("Partner campaign", None, 5, ONCE, requestId="campaign-2026-acme", metadata=metadata)


def vouchers(now: datetime) -> list[Json]:
    """Return the small set of vouchers for readers, in the order of their creation."""
    return [*open_ended(), *restricted(now), *out_of_reach(now), partner_campaign()]


def bulk_vouchers(now: datetime) -> list[Json]:
    """Return the vouchers that come in dozens: gifts, small vouchers to stack, overdue vouchers."""
    day_before = instant(now - timedelta(days=1))
    gifts = [
        fixed(f"Gift {number}", f"GIFT-{number:04}", {"amount": 2000, "currency": "USD"}, ONCE,
              restrictions={"maximumRedemptions": 1})
        for number in range(1, GIFTS + 1)
    ]  # fmt: skip
    stacked = [percentage(f"Stack {number}", f"STACK-{number:02}", 1, FOREVER) for number in range(1, STACKED + 1)]
    overdue = [
        percentage(f"Overdue {number}", f"OVERDUE-{number:04}", 5, ONCE, restrictions={"expiresAt": day_before})
        for number in range(1, OVERDUE + 1)
    ]
    return [*gifts, *stacked, *overdue]
