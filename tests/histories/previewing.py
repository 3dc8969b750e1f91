"""The model of random histories: `billing.preview`, by redeeming and billing in a copy of the model."""

from copy import deepcopy
from datetime import date, datetime

from tests.histories.applying import apply
from tests.histories.calendar import months_after
from tests.histories.discounting import Json
from tests.histories.entities import written
from tests.histories.model import Model
from tests.histories.placeholders import meant
from tests.histories.redeeming import redeem

SHOWN = ("subtotal", "discountTotal", "total", "lines", "discounts", "skipped", "notices")
JUDGED = ("outcome", "reason", "voucher", "code")
# More months than any window of a history has.
MONTHS_MAX = 60


def preview(model: Model, body: Json, *, at: datetime) -> Json:
    """Return `redeem` and `periods` of the answer to a preview of a monthly plan."""
    copy = deepcopy(model)
    answers = [
        redeem(copy, meant({**redemption_of(body, each), "requestId": f"new-{number}"}), id=f"red_new-{number}", at=at)
        for number, each in enumerate(body.get("redeem", []))
    ]
    new = [each["discount"] for each in answers if each["discount"]]
    billed = [
        (head, apply(copy, {**invoice_of(body, head), "invoice": f"preview-{number}"}, at=at))
        for number, head in enumerate(periods_of(body))
    ]
    return {
        "redeem": [validation_of(body, each, at=at) for each in answers],
        "periods": [{**head, **amounts_of(answer, without_ids=new)} for head, answer in billed],
    }


def redemption_of(body: Json, voucher: Json) -> Json:
    """Return the redemption that a preview judges. Nobody is the customer and the subscription that it leaves out.

    A sum below 0 is no subtotal.
    """
    lines = body["plan"]["lines"]
    return {
        **voucher,
        "project": body["project"],
        "customer": body.get("customer", "nobody"),
        "subscription": body.get("subscription", "nobody"),
        "products": [line["product"] for line in lines if "product" in line],
        "currency": body["plan"]["currency"],
        "subtotal": max(0, sum(line["amount"] for line in lines)),
    }


def periods_of(body: Json) -> list[Json]:
    """Return each previewed period, and whether it is a trial."""
    since, anchor = date.fromisoformat(body["from"]), date.fromisoformat(body["plan"]["anchor"])
    first = next(number for number in range(MONTHS_MAX * 20) if months_after(anchor, number) >= since)
    numbers = range(first, first + body["periods"])
    bounds = {number: months_after(anchor, number).isoformat() for number in [*numbers, numbers.stop]}
    return [
        {
            "period": {"start": bounds[number], "end": bounds[number + 1]},
            "trial": number < body["plan"]["trialPeriods"],
        }
        for number in numbers
    ]


def invoice_of(body: Json, period: Json) -> Json:
    """Return the invoice of a previewed period, without an id."""
    cycle = body.get("cycle")
    is_around = cycle and cycle["start"] <= period["period"]["start"] < cycle["end"]
    return {
        **({"cycle": cycle} if is_around else {}),
        "project": body["project"],
        "subscription": body.get("subscription", "nobody"),
        "customer": body.get("customer", "nobody"),
        "currency": body["plan"]["currency"],
        "period": period["period"],
        "trial": period["trial"],
        "lines": body["plan"]["lines"],
    }


def validation_of(body: Json, answer: Json, *, at: datetime) -> Json:
    """Return the answer to a redemption as a preview shows it."""
    return {
        "object": "validation",
        "project": body["project"],
        "requestId": None,
        **judged(answer),
        "customer": body.get("customer"),
        "subscription": body.get("subscription"),
        "decidedAt": written(at),
    }


def judged(answer: Json) -> Json:
    """Return the fields that the answers to a redemption and to its preview share."""
    other = None if answer["reason"] is None else answer["discount"]
    return {**{name: answer[name] for name in JUDGED}, "retryable": answer["retryable"], "discount": other}


def amounts_of(answer: Json, *, without_ids: list[str] | None = None) -> Json:
    """Return the fields that an invoice and a previewed period share, without those ids of discounts, or any."""
    return {name: answer[name] for name in SHOWN} | {
        name: [
            {**each, "discount": None} if without_ids is None or each["discount"] in without_ids else each
            for each in answer[name]
        ]
        for name in ("discounts", "skipped")
    }
