"""The tour's chapter of plans that change in the middle of a month, with the discounts that were worked out by hand."""

from catalogue import Json, fixed, percentage, repeating
from steps import step

JANUARY = {"start": "2031-01-01", "end": "2031-02-01"}
FEBRUARY = {"start": "2031-02-01", "end": "2031-03-01"}


def changes() -> list[Json]:
    """Return the chapter of changes in the middle of a month: a seat is added, and a plan is upgraded."""
    return [*seat(), *upgrade()]


def seat() -> list[Json]:
    """Return the steps of a team that adds a seat. The month has one allowance."""
    team = fixed("Team", "TEAM", {"amount": 1_000, "currency": "USD"}, repeating(2))
    request = {
        "requestId": "tour-team",
        "code": "TEAM",
        "customer": "cus_team",
        "subscription": "sub_team",
        "currency": "USD",
    }
    return [
        step("10 USD a month, for two months", "vouchers.create", team, {"status": "available"}),
        step("redeemed", "redemptions.redeem", {**request, "startsOn": "2031-01-01"}, {"outcome": "accepted"}),
        team_invoice("january", "January", 4_000, 1_000, period=JANUARY),
        team_invoice(
            "seat", "a seat from January 15", 500, 0, period={**JANUARY, "start": "2031-01-15"}, cycle=JANUARY
        ),
        team_invoice("february", "February", 5_000, 1_000, period=FEBRUARY),
    ]


def team_invoice(name: str, what: str, amount: int, discount: int, **dates: Json) -> Json:
    """Return an invoice of the team, with its discount."""
    request = {
        "invoice": f"team-{name}",
        "subscription": "sub_team",
        "customer": "cus_team",
        "currency": "USD",
        **dates,
        "lines": [{"id": name, "amount": amount}],
    }
    return step(f"an invoice for {what}", "billing.apply", request, {"discountTotal": discount, "notices": []})


def upgrade() -> list[Json]:
    """Return the steps of a customer who paid 50.00 of 100.00, and upgrades at half time."""
    studio = percentage("Studio", "STUDIO", 50, repeating(12))
    who = {"customer": "cus_studio", "subscription": "sub_studio"}
    invoice = {**who, "currency": "USD"}
    credit = {"id": "unused", "amount": -5_000, "creditOf": {"invoice": "studio-january", "line": "basic"}}
    return [
        step("50 % for a year", "vouchers.create", studio, {"status": "available"}),
        step(
            "redeemed",
            "redemptions.redeem",
            {**who, "requestId": "tour-studio", "code": "STUDIO", "startsOn": "2031-01-01"},
            {"outcome": "accepted"},
        ),
        step(
            "an invoice over 100 USD for January",
            "billing.apply",
            {
                **invoice,
                "invoice": "studio-january",
                "period": JANUARY,
                "lines": [{"id": "basic", "amount": 10_000}],
            },
            {"discountTotal": 5_000, "total": 5_000},
        ),
        step(
            "an upgrade at half time: 50 USD are credited, 100 USD billed",
            "billing.apply",
            {
                **invoice,
                "invoice": "studio-upgrade",
                "period": {**JANUARY, "start": "2031-01-16"},
                "cycle": JANUARY,
                "lines": [credit, {"id": "pro", "amount": 10_000}],
            },
            {"lines": [{"discount": -2_500}, {"discount": 5_000}], "total": 2_500},
        ),
    ]
