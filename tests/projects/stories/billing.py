"""A story of many redemptions and invoices in batches: limits, budgets, credits, reversals, moves and endings."""

from collections.abc import Generator, Iterator
from typing import Any

from tests.projects.calls import Answer, Call
from tests.support.credits import credit_line
from tests.support.imports import ONE_CYCLE, elsewhere
from tests.support.ramps import phase, ramp
from tests.support.requests import invoice, voucher_body

FEBRUARY, MARCH, APRIL = ({"start": f"2027-0{month}-01", "end": f"2027-0{month + 1}-01"} for month in (2, 3, 4))
LONG_AGO = {"start": "2020-01-01", "end": "2020-02-01"}
FIXED = {"priceDiscount": {"amount": 3_000, "currency": "USD"}}
LIMITED = {"maximumRedemptions": 4, "maximumRedemptionsPerCustomer": 1}
VOUCHERS = (
    {"name": "Percent", "code": "PERCENT", "requestId": "voucher-1"},
    {"name": "Limited", "code": "LIMITED", "requestId": "voucher-2", "restrictions": LIMITED},
    {"name": "Balance", "requestId": "voucher-3", "carryOver": True, **FIXED},
    {
        "name": "Budget",
        "requestId": "voucher-4",
        "maximumDiscount": {"amount": 2_000, "currency": "USD"},
        "budget": {"amount": 4_500, "currency": "USD"},
    },
    {"name": "Cycles", "requestId": "voucher-5", "recurrence": {"type": "repeating", "durationInCycles": 2}},
    {"name": "Once", "requestId": "voucher-6", "recurrence": {"type": "once"}},
    {"name": "Fixed", "requestId": "voucher-7", "priceDiscount": {"amount": 500, "currency": "USD"}},
    {"name": "Months", "requestId": "voucher-8", "recurrence": {"type": "repeating", "durationInMonths": 2}},
    {
        "name": "Ramp",
        "requestId": "voucher-9",
        **ramp(phase(50, cycles=1), phase(amount=700, cycles=1), phase(25, cycles=9)),
    },
)
GIGS = {"project": "gigs"}


def redemption(number: int, *, customer: int = 1, subscription: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a request to redeem from 2027 on."""
    owner = {"customer": f"cus_{customer}", "subscription": f"sub_{subscription}"}
    return {**GIGS, "requestId": f"order-{number}", **owner, "currency": "USD", "startsOn": "2027-01-01", **fields}


def bill(number: int, *, subscription: int = 1, period: Any = None, **fields: Any) -> dict[str, Any]:
    """Return an invoice of a subscription over 80.00."""
    named = {"invoice": f"inv_{number}", "subscription": f"sub_{subscription}", "period": period or FEBRUARY}
    return invoice(**named, **fields)


def reversal(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """Return a reversal of an invoice."""
    return {**GIGS, "invoice": f"inv_{number}", "kind": kind, "requestId": f"reversal-{number}-{kind}", **fields}


def billing() -> Generator[Call, list[Answer], None]:
    """Redeem, bill, credit, reverse, move, extend and end."""
    created = yield Call("vouchers.create", [voucher_body(**each) for each in (*VOUCHERS, VOUCHERS[0])])
    vouchers = {each["name"]: each["id"] for each in created}
    redeemed = yield Call("redemptions.redeem", list(redemptions(vouchers)))
    percent = vouchers["Percent"]
    yield Call("redemptions.redeem", [redemption(1, voucher=percent), redemption(1, voucher=vouchers["Limited"])])
    yield Call(
        "redemptions.redeem_many",
        [
            {
                "requests": [
                    redemption(30, subscription=7, voucher=percent),
                    redemption(31, subscription=7, voucher=vouchers["Once"]),
                ]
            }
        ],
    )
    yield Call("redemptions.retrieve", [{**GIGS, "requestId": f"order-{number}"} for number in (1, 4, 9, 30)])
    yield from invoices()
    yield from reversals()
    discounts = list(dict.fromkeys(each["discount"] for each in redeemed if each["discount"]))
    yield from changes(discounts)
    yield from imports(vouchers)
    yield from looks(list(vouchers.values()), discounts)


def redemptions(vouchers: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the requests of a batch: accepted, repeated, in conflict, and refused for several reasons."""
    yield redemption(1, voucher=vouchers["Percent"])
    yield redemption(1, voucher=vouchers["Percent"])
    yield redemption(1, voucher=vouchers["Balance"])
    yield redemption(2, voucher=vouchers["Percent"])
    yield redemption(3, code="limited")
    yield redemption(4, subscription=2, code="LIMITED")
    yield redemption(5, customer=2, subscription=2, code="LIMITED")
    yield redemption(6, voucher=vouchers["Balance"])
    yield redemption(7, voucher=vouchers["Budget"])
    yield redemption(8, customer=2, subscription=2, voucher=vouchers["Budget"])
    yield redemption(9, code="UNKNOWN")
    yield redemption(10, voucher=vouchers["Cycles"])
    yield redemption(11, customer=2, subscription=2, voucher=vouchers["Once"])
    yield redemption(12, customer=3, subscription=3, voucher=vouchers["Percent"])
    yield redemption(13, customer=3, subscription=3, voucher=vouchers["Cycles"])
    yield redemption(14, customer=4, subscription=4, voucher=vouchers["Limited"])
    yield redemption(15, customer=5, subscription=5, voucher=vouchers["Limited"])
    yield redemption(18, customer=2, subscription=2, voucher=vouchers["Ramp"])
    yield redemption(19, customer=8, subscription=8, voucher=vouchers["Ramp"])
    yield redemption(21, customer=9, subscription=9, voucher=vouchers["Ramp"])
    yield redemption(17, customer=2, subscription=2, voucher=vouchers["Fixed"])
    for subscription in (50, 51):
        yield redemption(
            subscription, subscription=subscription, voucher=vouchers["Months"], startsOn=LONG_AGO["start"]
        )
    yield redemption(16, customer=6, subscription=6, voucher=vouchers["Limited"])


def invoices() -> Generator[Call, list[Answer], None]:
    """Send invoices: of several subscriptions and cycles at once, repeated, in conflict, and with credits."""
    yield Call(
        "billing.apply",
        [
            *(bill(number, subscription=number) for number in (1, 2, 3, 4)),
            bill(1),
            bill(2, subscription=2, period=MARCH),
            bill(11, period=MARCH),
            bill(
                12,
                subscription=2,
                period=MARCH,
                lines=[credit_line(1_000, of="inv_2"), {"id": "base", "amount": 8_000}],
            ),
        ],
    )
    yield Call(
        "billing.apply_many",
        [{"invoices": [bill(13, subscription=3, period=MARCH), bill(14, subscription=4, period=MARCH), bill(1)]}],
    )
    yield Call("billing.apply", [bill(15, lines=[credit_line(2_000, of="inv_1")]), bill(16, subscription=9)])
    # The windows of these discounts have ended.
    yield Call("billing.apply", [bill(each, subscription=each, period=LONG_AGO) for each in (50, 51)])
    yield Call("billing.apply", [bill(17, lines=[credit_line(99_000, of="inv_1")])])
    yield Call("billing.apply", [bill(18, lines=[credit_line(1_000, of="inv_unknown")])])


def reversals() -> Generator[Call, list[Answer], None]:
    """Refund, void and charge back invoices, and send others beside them."""
    lines = [{"id": "base", "amount": 2_000}]
    yield Call("billing.reverse", [reversal(1, "refunded", lines=lines), reversal(1, "refunded", lines=lines)])
    yield Call("billing.reverse", [reversal(2, "voided"), reversal(2, "payment_failed"), reversal(12, "voided")])
    yield Call("billing.reverse", [reversal(3, "charged_back"), reversal(3, "refunded", lines=lines)])
    yield Call("billing.reverse", [reversal(99, "voided"), reversal(15, "voided")])
    yield Call(
        "billing.apply", [bill(20, subscription=2, period=MARCH), bill(21, period=APRIL), bill(2, subscription=2)]
    )
    yield Call("billing.reverse", [reversal(21, "voided")])
    yield Call("billing.apply", [bill(22, period=APRIL), bill(23, subscription=3, period=APRIL)])


def imports(vouchers: dict[str, str]) -> Generator[Call, list[Answer], None]:
    """Import discounts of another system, alone and together, repeated, in conflict and refused, and bill them."""
    bodies = [
        elsewhere(
            ref=f"di_{number}",
            voucher=vouchers[name],
            customer=f"cus_{number}",
            subscription=f"sub_{number}",
            **(ONE_CYCLE | {"taken": {"USD": 1_000}} if name in {"Balance", "Budget"} else {}),
        )
        for number, name in enumerate(("Percent", "Balance", "Budget", "Once", "Limited"), start=60)
    ]
    conflict = {**bodies[0], "customer": "cus_9"}
    yield Call("discounts.import", [bodies[0], bodies[0], conflict, {**bodies[1], "subscription": "sub_60"}])
    yield Call("discounts.import_many", [{"requests": [*bodies, *bodies[1:3], {**bodies[2], "ref": "di_9"}]}])
    yield Call("billing.apply", [bill(each, subscription=each) for each in (60, 61, 62, 63)])
    yield Call("billing.reverse", [reversal(61, "voided"), reversal(62, "voided")])


def changes(discounts: list[str]) -> Generator[Call, list[Answer], None]:
    """Move, extend and end discounts and subscriptions, and redeem and bill afterwards."""
    actor = {**GIGS, "actor": "anna"}
    moves = [
        {**actor, "discount": discounts[0], "subscription": each, "requestId": f"to-{each}"}
        for each in ("sub_8", "sub_2", "sub_50")
    ]
    yield Call("discounts.move", [moves[0], moves[0], *moves[1:], {**moves[0], "subscription": "sub_9"}])
    yield Call(
        "discounts.extend",
        [
            {**actor, "discount": each, "cycles": 1, "requestId": f"more-{number}"}
            for number, each in enumerate(discounts)
        ],
    )
    yield Call(
        "discounts.end",
        [{**actor, "discount": each, "requestId": f"end-{number}"} for number, each in enumerate(discounts[1:3])],
    )
    yield Call("discounts.end", [{**actor, "discount": discounts[1]}])
    yield Call(
        "subscriptions.end",
        [{**actor, "subscription": f"sub_{each}", "requestId": f"stop-{each}"} for each in (5, 3, 5)],
    )
    yield Call("subscriptions.end", [{**GIGS, "subscription": "sub_6"}])
    yield Call(
        "redemptions.redeem",
        [
            redemption(40, customer=8, subscription=8, code="LIMITED"),
            redemption(41, customer=5, subscription=5, code="LIMITED"),
        ],
    )
    yield Call(
        "billing.apply",
        [bill(30, subscription=8, period=MARCH), bill(31, subscription=3, period=APRIL), bill(32, subscription=5)],
    )
    yield Call("expiry.sweep", [{}])


def looks(vouchers: list[str], discounts: list[str]) -> Generator[Call, list[Answer], None]:
    """List, retrieve, report, forecast, preview and explain everything."""
    owners = [
        {**GIGS, each: value}
        for each, value in (("subscription", "sub_1"), ("subscription", "sub_2"), ("customer", "cus_1"))
    ]
    of_vouchers = [{**GIGS, "voucher": each} for each in vouchers]
    of_invoices = [{**GIGS, "invoice": f"inv_{number}"} for number in (1, 2, 3, 12, 15, 21, 99)]
    pages = [{**each, "limit": 2} for each in owners]
    yield Call(
        "redemptions.list",
        [
            *owners,
            *pages,
            *of_vouchers,
            {**GIGS, "outcome": "refused"},
            {**GIGS, "reason": ["already_applied"]},
            {**GIGS, "code": "LIMITED"},
        ],
    )
    yield Call(
        "discounts.list",
        [*owners, *pages, *of_vouchers, {**GIGS, "subscription": "sub_8", "status": ["running", "ended", "completed"]}],
    )
    yield Call("discounts.retrieve", [{**GIGS, "discount": each} for number, each in enumerate(discounts)])
    yield Call("billing.list", [*owners, *pages])
    yield Call("billing.retrieve", of_invoices)
    yield Call("reversals.list", [*owners, *pages, *of_invoices, {**GIGS, "kind": ["voided"], "customer": "cus_1"}])
    yield Call("reports.discounts", [GIGS, *of_vouchers, {**GIGS, "limit": 1}])
    yield Call("vouchers.forecast", [{**each, "from": "2027-03-01", "months": 3} for each in (GIGS, *of_vouchers)])
    plan = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}
    preview = {"periods": 3, "from": "2027-04-01", "plan": plan}
    for first in ("2027-02-01", "2027-04-01"):
        of_each = [{**GIGS, **preview, "from": first, "subscription": f"sub_{number}"} for number in (1, 2, 3, 8)]
        yield Call("billing.preview", of_each)
    yield Call(
        "billing.preview",
        [
            {**GIGS, **preview, "customer": f"cus_{number}", "redeem": [{"code": "LIMITED"}, {"voucher": vouchers[3]}]}
            for number in (1, 9)
        ],
    )
    yield Call(
        "support.explain",
        [*of_invoices, *owners, *pages, *({**GIGS, "subscription": f"sub_{number}"} for number in (3, 5, 8))],
    )
    yield Call("vouchers.retrieve", of_vouchers)
    yield Call("vouchers.history", of_vouchers)
    yield Call("usages.list", of_vouchers)
