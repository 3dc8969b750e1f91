"""The model of random histories: `billing.preview`, by billing the periods in a copy of the model."""

from copy import deepcopy
from datetime import date, datetime

from tests.histories.discounting import Json, months_after
from tests.histories.model import Model

SHOWN = ("subtotal", "discountTotal", "total", "lines", "discounts", "skipped", "notices")
# More months than any window of a history has.
MONTHS_MAX = 60


def preview(model: Model, body: Json, *, at: datetime) -> list[Json]:
    """Bill the periods of a monthly plan in a copy of the model, and return the shown fields."""
    copy, plan = deepcopy(model), body["plan"]
    since, anchor = date.fromisoformat(body["from"]), date.fromisoformat(plan["anchor"])
    first = next(number for number in range(MONTHS_MAX * 20) if months_after(anchor, number) >= since)
    shown: list[Json] = []
    for number in range(first, first + body["periods"]):
        period = {
            "start": months_after(anchor, number).isoformat(),
            "end": months_after(anchor, number + 1).isoformat(),
        }
        invoice = {
            "project": body["project"],
            "invoice": f"preview-{number}",
            "subscription": body["subscription"],
            "customer": "cus_1",
            "currency": plan["currency"],
            "period": period,
            "trial": number < plan["trialPeriods"],
            "lines": plan["lines"],
        }
        cycle = body.get("cycle")
        if cycle and cycle["start"] <= period["start"] < cycle["end"]:
            invoice["cycle"] = cycle
        answer = copy.apply(invoice, at=at)
        shown.append({"period": period, "trial": invoice["trial"], **{name: answer[name] for name in SHOWN}})
    return shown
