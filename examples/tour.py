"""A tour of the catalogue, step by step: codes, a stamp card with one customer's usage, and a balance.

Each step says what is sent and what must be answered; an answer may say more.
"""

from datetime import datetime, timedelta

from catalogue import ONCE, PROJECT, Json, fixed, id_of, instant, percentage

LAUNCHES = 2
STAMPS = 5


def step(what: str, task: str, request: Json, answer: Json) -> Json:
    """This function will return one step; every request names the project."""
    return {"what": what, "task": task, "request": {"project": PROJECT, **request}, "answer": answer}


def tour(now: datetime) -> Json:
    """This function will return the chapters of the tour."""
    return {"codes": codes(now), "stampCard": stamp_card(), "balance": balance()}


def codes(now: datetime) -> list[Json]:
    """This function will return a voucher with a code for one customer, one for two, and codes by the thousand."""
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
    """This function will return a redemption by code, and whether it is refused."""
    request = {
        "requestId": f"tour-{code}-{customer}",
        "code": code,
        "customer": customer,
        "subscription": f"sub_of_{customer}",
    }
    answer = {"outcome": "refused" if reason else "accepted", "reason": reason}
    return step(f"{code}: {what}", "redemptions.redeem", request, answer)


def stamp_card() -> list[Json]:
    """This function will return a card of five stamps: the fourth receipt completes it, and opens the next with one."""
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
                        "statistics": {"stamp": 6, "used": 1, "usage": 1, "amount": 350, "currentStamp": 1},
                    }
                ]
            },
        ),
    ]


def receipt(number: int, *, stamps: int, current: int) -> Json:
    """This function will return a purchase that collects stamps, and how many the open card then has."""
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
    """This function will return a gift card that three invoices use up."""
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
