"""A tour, step by step: codes, a stamp card with usages, a balance, and a hold with reversals.

Each step has a request and the expected answer. The answer may have more fields.
"""

from datetime import datetime, timedelta

from catalogue import ONCE, Json, fixed, id_of, instant, percentage, repeating
from plan_changes import changes
from steps import step

LAUNCHES = 2
STAMPS = 5


def tour(now: datetime) -> Json:
    """Return the chapters of the tour."""
    return {"codes": codes(now), "stampCard": stamp_card(), "balance": balance(), "hold": hold(), "changes": changes()}


def codes(now: datetime) -> list[Json]:
    """Return the chapter of a voucher with a code for a single customer, a code for two, and a thousand codes."""
    newsletter = percentage("Newsletter", None, 20, ONCE, restrictions={"maximumRedemptions": 1_000})
    voucher = {"voucher": id_of("Newsletter")}
    personal = {"code": "FOR-ANNA", "customer": "cus_anna"}
    launch = {"code": "LAUNCH", "maximumRedemptions": LAUNCHES, "expiresAt": instant(now + timedelta(days=7))}
    return [
        step("a voucher of 20 %, without a code", "vouchers.create", newsletter, {"code": None}),
        step(
            "a code for one customer, one for two redemptions",
            "vouchers.add_codes",
            {**voucher, "codes": [personal, launch]},
            {"items": [personal, launch]},
        ),
        redeem("another customer sends it", "FOR-ANNA", "cus_bert", "code_not_for_customer"),
        redeem("its own customer sends it", "for-anna", "cus_anna", None),
        *(redeem(f"redemption {each} of two", "LAUNCH", f"cus_{each}", None) for each in range(1, 1 + LAUNCHES)),
        redeem("a third one", "LAUNCH", "cus_3", "code_max_redemptions_reached"),
        step(
            "a thousand single-use codes",
            "vouchers.generate_codes",
            {**voucher, "count": 1_000, "prefix": "NEWS-"},
            {"generated": 1_000, "status": "completed"},
        ),
    ]


def redeem(what: str, code: str, customer: str, reason: str | None) -> Json:
    """Return a redemption by code, with the reason if it is refused."""
    request = {
        "requestId": f"tour-{code}-{customer}",
        "code": code,
        "customer": customer,
        "subscription": f"sub_of_{customer}",
    }
    answer = {"outcome": "refused" if reason else "accepted", "reason": reason}
    return step(f"{code}: {what}", "redemptions.redeem", request, answer)


def stamp_card() -> list[Json]:
    """Return the chapter of a card of five stamps: the fourth receipt completes the card and starts the next.

    The function is longer than 40 lines because it is a list of steps, to be read from top to bottom.
    """
    rules = {"stamps": STAMPS, "expireDays": 90}
    card = fixed("Coffee card", "COFFEE", {"amount": 350, "currency": "USD"}, ONCE, stampCard=rules)
    customer = {"customer": "cus_kim", "subscription": "sub_coffee", "currency": "USD"}
    direct = {**customer, "voucher": id_of("Coffee card"), "requestId": "tour-coffee"}
    return [
        step("five coffees make 3.50 USD off the next", "vouchers.create", card, {"stampCard": rules}),
        step(
            "nobody redeems it without a card",
            "redemptions.redeem",
            direct,
            {"outcome": "refused", "reason": "stamp_card_incomplete"},
        ),
        receipt(1, stamps=1, current=1),
        receipt(2, stamps=1, current=2),
        receipt(3, stamps=2, current=4),
        receipt(4, stamps=2, current=1),
        step(
            "the next coffee",
            "billing.apply",
            {
                "invoice": "coffee-5",
                "subscription": "sub_coffee",
                "customer": "cus_kim",
                "currency": "USD",
                "lines": [{"id": "coffee", "amount": 480}],
            },
            {"discountTotal": 350, "total": 130},
        ),
        step(
            "what one customer has had",
            "usages.list",
            {"voucher": id_of("Coffee card")},
            {
                "items": [
                    {
                        "customerId": "cus_kim",
                        "statistics": {"stamp": 6, "used": 1, "usage": 1, "amounts": {"USD": 350}, "currentStamp": 1},
                    }
                ]
            },
        ),
    ]


def receipt(number: int, *, stamps: int, current: int) -> Json:
    """Return a purchase that collects stamps, with the number of stamps on the open card afterwards."""
    request = {
        "voucher": id_of("Coffee card"),
        "customer": "cus_kim",
        "subscription": "sub_coffee",
        "currency": "USD",
        "ref": f"receipt-{number}",
        "refType": "receipt_add",
        "stamp": stamps,
    }
    return step(
        f"receipt {number}: {stamps}", "usages.record", request, {"outcome": "recorded", "currentStamp": current}
    )


def balance() -> list[Json]:
    """Return the chapter of a gift card that three invoices use up."""
    card = fixed("Gift card", "GIFT-50", {"amount": 5_000, "currency": "USD"}, {"type": "forever"}, carryOver=True)
    request = {
        "requestId": "tour-gift",
        "code": "GIFT-50",
        "customer": "cus_lea",
        "subscription": "sub_gift",
        "currency": "USD",
        "startsOn": "2031-01-01",
    }
    return [
        step("50 USD, until they are used up", "vouchers.create", card, {"carryOver": True}),
        step("redeemed", "redemptions.redeem", request, {"outcome": "accepted"}),
        *(
            step(
                f"an invoice over 20 USD in month {month}",
                "billing.apply",
                {
                    "invoice": f"gift-{month}",
                    "subscription": "sub_gift",
                    "customer": "cus_lea",
                    "currency": "USD",
                    "period": {"start": f"2031-0{month}-01", "end": f"2031-0{month + 1}-01"},
                    "lines": [{"id": "plan", "amount": 2_000}],
                },
                {"discountTotal": taken, "discounts": [{"amount": taken, "debitBalance": left}]},
            )
            for month, taken, left in ((1, 2_000, 3_000), (2, 2_000, 1_000), (3, 1_000, 0))
        ),
    ]


def hold() -> list[Json]:
    """Return the chapter of a place that is held and confirmed, with previews and reversals of the discount.

    The function is longer than 40 lines because it is a list of steps, to be read from top to bottom.
    """
    seat = percentage("Last seat", "LAST-SEAT", 25, repeating(3), restrictions={"maximumRedemptions": 1})
    mia = {"customer": "cus_mia", "subscription": "sub_mia", "code": "LAST-SEAT", "startsOn": "2031-01-01"}
    noa = {"customer": "cus_noa", "subscription": "sub_noa", "code": "LAST-SEAT", "requestId": "tour-seat-noa"}
    plan = {"interval": "month", "anchor": "2031-01-01", "currency": "USD", "lines": [{"id": "plan", "amount": 2_000}]}
    four_months = {"from": "2031-01-01", "periods": 4}
    totals = [{"total": total} for total in (1_500, 1_500, 1_500, 2_000)]
    discounted = {"periods": totals, "fullPriceFrom": "2031-04-01"}
    return [
        step("25 % for three months, once", "vouchers.create", seat, {"status": "available"}),
        step(
            "what a visitor would pay with the code",
            "billing.preview",
            {"redeem": [{"code": "last-seat", "startsOn": "2031-01-01"}], "plan": plan, **four_months},
            {"redeem": [{"outcome": "accepted"}], **discounted},
        ),
        step(
            "held while its customer pays",
            "redemptions.reserve",
            {**mia, "requestId": "tour-seat-mia", "ttl": 900},
            {"outcome": "accepted", "status": "open"},
        ),
        step(
            "another customer meanwhile",
            "redemptions.redeem",
            noa,
            {"outcome": "refused", "reason": "fully_reserved", "retryable": True},
        ),
        step(
            "confirmed",
            "redemptions.confirm",
            {"requestId": "tour-seat-mia"},
            {"outcome": "accepted", "redemptionNumber": 1},
        ),
        step(
            "what four months will cost",
            "billing.preview",
            {"subscription": "sub_mia", "plan": plan, **four_months},
            discounted,
        ),
        seat_invoice(1, cycle=1, ends_on="2031-04-01"),
        step(
            "its payment fails: the month is given back",
            "billing.reverse",
            {"invoice": "seat-1", "kind": "payment_failed"},
            {"outcome": "reversed", "discountTotal": 500, "discounts": [{"cycles": 0, "fullPriceFrom": None}]},
        ),
        seat_invoice(2, cycle=1, ends_on="2031-05-01"),
        *(
            step(
                f"refund {number} of two",
                "billing.reverse",
                {
                    "invoice": "seat-2",
                    "kind": "refunded",
                    "requestId": f"tour-refund-{number}",
                    "lines": [{"id": "plan", "amount": amount}],
                },
                {"outcome": "reversed", "discountTotal": share},
            )
            for number, amount, share in ((1, 667, 167), (2, 1_333, 333))
        ),
    ]


def seat_invoice(month: int, *, cycle: int, ends_on: str) -> Json:
    """Return an invoice of the seat, with the discount's cycle and end afterwards."""
    return step(
        f"an invoice over 20 USD in month {month}",
        "billing.apply",
        {
            "invoice": f"seat-{month}",
            "subscription": "sub_mia",
            "customer": "cus_mia",
            "currency": "USD",
            "period": {"start": f"2031-0{month}-01", "end": f"2031-0{month + 1}-01"},
            "lines": [{"id": "plan", "amount": 2_000}],
        },
        {"discountTotal": 500, "discounts": [{"cycle": cycle, "fullPriceFrom": ends_on}]},
    )
