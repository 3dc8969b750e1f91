"""The model of random histories: `discounts.end`, `subscriptions.end`, and discounts as callers see them."""

from datetime import datetime

from tests.histories.discounting import Discount
from tests.histories.entities import Json, shown_amounts, written
from tests.histories.model import Model
from tests.histories.phases import shown_recurrence
from tests.histories.updating import retired_after


def is_charged_back(model: Model, discount: Discount) -> bool:
    """Return whether an invoice of the discount was charged back."""
    return any(each is discount and reversal.kind == "charged_back" for each, reversal in model.reversed_discounts)


def end(model: Model, discount: Discount, *, at: datetime) -> Json:
    """Answer `discounts.end`."""
    if discount.ended_at is None:
        stop(model, discount, actor=None, at=at)
    return shown_discount(discount)


def stop(model: Model, discount: Discount, *, actor: str | None, at: datetime) -> None:
    """End a discount."""
    model.move_on(at)
    discount.history.insert(0, change(kind="ended", actor=actor, at=at))
    discount.ended_at, discount.is_completed, discount.has_updated_at = at, True, True


def end_subscription(model: Model, body: Json, *, at: datetime) -> Json:
    """Answer `subscriptions.end`. A discount without an invoice returns the place, once."""
    granted = model.granted_to(body)
    model.move_on(at)
    ended = [each for each in granted if each.ended_at is None]
    for each in ended:
        stop(model, each, actor=body.get("actor"), at=at)
    unused = [each for each in granted if not each.starts and not is_charged_back(model, each)]
    returned = [each for each in unused if not each.place_is_returned]
    for each in returned:
        return_place(model, each)
    for voucher in [each for each in model.vouchers if each.id in {one.voucher for one in returned}]:
        voucher.retired = retired_after(voucher, at=at)
    come_back = [each.code for each in returned if each.code is not None and each.code.retired is not None]
    for code in sorted(set(come_back), key=lambda code: code.created_at, reverse=True):
        carriers = model.codes.carrying(project=code.voucher.body["project"], text=code.text)
        if code.retired and code.retired[0] == "maxRedemptionsReached" and all(each.retired for each in carriers):
            code.retired = None
    return {
        "object": "subscription",
        "project": body["project"],
        "subscription": body["subscription"],
        "requestId": body.get("requestId"),
        "outcome": "ended",
        "reason": None,
        "discounts": [shown_discount(each) for each in sorted(ended, key=lambda each: each.id, reverse=True)],
        "placesReturned": len(returned),
        "endedAt": written(at),
    }


def return_place(model: Model, discount: Discount) -> None:
    """Return the place of the voucher, of the code and of the customer."""
    voucher = model.voucher(discount.project, discount.voucher)
    assert voucher is not None
    discount.place_is_returned = True
    voucher.returned.append(discount.customer)
    if discount.code is not None:
        discount.code.redemptions -= 1


def shown_discount(discount: Discount) -> Json:
    """Return a discount as callers see it, with true for an instant that a sweep may have set."""
    price = discount.terms.get("priceDiscount")
    return {
        "object": "discount",
        "id": discount.id,
        "project": discount.project,
        "createdAt": written(discount.created_at),
        "updatedAt": discount.has_updated_at,
        "voucher": discount.voucher,
        "customer": discount.customer,
        "subscription": discount.subscription,
        "priceDiscount": price and {"currencyOptions": {}, **price},
        "priceDiscountPercentage": discount.terms.get("priceDiscountPercentage"),
        "recurrence": shown_recurrence(discount.terms["recurrence"]),
        "carryOver": discount.terms.get("carryOver", False),
        "exclusive": discount.terms.get("exclusive", False),
        "priority": discount.terms.get("priority", 500),
        "maximumDiscount": shown_amounts(discount.terms.get("maximumDiscount")),
        "maximumDiscountInAll": shown_amounts(discount.terms.get("maximumDiscountInAll")),
        "products": discount.named_products("products"),
        "excludedProducts": discount.named_products("excludedProducts"),
        "minimumSubtotal": discount.minimum,
        "startsOn": discount.starts_on.isoformat(),
        "firstCycleStart": min(discount.starts).isoformat() if discount.starts else None,
        "fullPriceFrom": ends_on(discount),
        "cycles": len(discount.starts),
        "status": status_of(discount),
        "completedAt": discount.has_completed_at,
        "endedAt": written(discount.ended_at),
        "imported": origin(discount),
        "history": [*discount.history[:10], beginning(discount)],
    }


def origin(discount: Discount) -> Json | None:
    """Return what an imported discount had done elsewhere as callers see it, or None."""
    came = discount.elsewhere
    return None if came is None else {"ref": came.ref, "cycles": len(came.starts), "taken": came.taken}


def beginning(discount: Discount) -> Json:
    """Return the grant or the import of a discount as its history shows it."""
    if discount.elsewhere is None:
        return change(kind="granted", at=discount.created_at)
    return change(kind="imported", actor=discount.elsewhere.actor, at=discount.elsewhere.at)


def change(*, kind: str, actor: str | None = None, at: datetime) -> Json:
    """Return the grant or the end of a discount as its history shows it."""
    return {"kind": kind, "actor": actor, "note": None, "from": None, "to": None, "at": written(at)}


def ends_on(discount: Discount) -> str | None:
    """Return the end of a discount's window as callers see it."""
    day = discount.ends_on()
    return day.isoformat() if day else None


def status_of(discount: Discount) -> str:
    """Return a discount's status as callers see it."""
    if discount.ended_at is not None:
        return "ended"
    return "completed" if discount.is_completed else "running"


def status_by(discount: Discount, *, at: datetime) -> str:
    """Return a discount's status as a reversal shows it, whether or not a sweep has completed the discount."""
    status = status_of(discount)
    return "completed" if status == "running" and discount.is_over_by(at.date()) else status
