"""`billing.reverse`, `discounts.end` and `subscriptions.end`, as the model answers them."""

import math
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from tests.histories.discounting import Discount, Taken, split
from tests.histories.kept import Json, Reversal, shown_amounts, written
from tests.histories.model import RUNNING_MAX, Model
from tests.histories.updating import retired_after

GIVING_BACK = ("voided", "payment_failed")


def reverse(model: Model, body: Json, *, answered: Json, at: datetime) -> Json:
    """This function will answer `billing.reverse`; identities of entries are those of the answer."""
    head = {"object": "reversal", "project": body["project"], "invoice": body["invoice"]}
    head |= {"requestId": body.get("requestId"), "reversalReason": body["reason"]}
    head["chargedBack"] = body.get("chargedBack", False)
    nothing: Json = dict.fromkeys(
        ("id", "subscription", "customer", "currency", "amount", "discountTotal", "reversedAt")
    )
    nothing |= {"lines": [], "discounts": []}
    if ("apply", body["project"], body["invoice"]) not in model.answered:
        return {"notFound": "invoice"}
    key = ("reverse", body["project"], body.get("requestId", ""))
    stored = model.replay(key, body=body, conflict={**head, **nothing})
    if stored is not None:
        return stored
    earlier = model.reversals.get((body["project"], body["invoice"]), [])
    kind = body["reason"], head["chargedBack"]
    first = next((each for each in earlier if (each.reason, each.is_charged_back) == kind != ("refunded", False)), None)
    _, invoice = model.answered["apply", body["project"], body["invoice"]]
    billed = {line["id"]: line["amount"] for line in invoice["lines"]}
    wanted = {line["id"]: line["amount"] for line in body.get("lines", [])}
    left = {line: amount - refunded_of(line, earlier) for line, amount in billed.items()}
    left = {line: amount for line, amount in left.items() if amount or not billed[line]}
    reason = refusal(*kind, wanted=wanted, billed=billed, earlier=earlier)
    if first is not None:
        # It names the moment at which that was done.
        answer, at = first.answer, model.now
    elif reason is not None:
        answer = {**head, **nothing, "outcome": "refused", "reason": reason}
    else:
        answer = {**head, "outcome": "reversed", "reason": None, "id": answered["id"]}
        answer |= take_back(model, body, invoice=invoice, wanted=wanted or left, answered=answered, at=at)
        new = model.reversals[body["project"], body["invoice"]][-1]
        new.answer.update(answer)
    return model.keep(key, body=body, answer=answer, at=at) if "requestId" in body else answer


def refunded_of(line: str, earlier: Sequence[Reversal]) -> int:
    """This function will return how much of a line was reversed before."""
    return sum(each.lines.get(line, 0) for each in earlier)


def refusal(
    reason: str,
    is_charged_back: bool,
    *,
    wanted: dict[str, int],
    billed: dict[str, int],
    earlier: Sequence[Reversal],
) -> str | None:
    """This function will return the first reason that is true, in the contract's order."""
    is_something_left = any(refunded_of(line, earlier) < amount for line, amount in billed.items())
    rows = {
        "already_reversed": any(each.reason in GIVING_BACK for each in earlier),
        "already_refunded": reason in GIVING_BACK and bool(earlier) and not (is_charged_back and is_something_left),
        "line_not_found": not set(wanted) <= set(billed),
        "amount_exceeds_line": any(
            amount + refunded_of(line, earlier) > billed.get(line, amount) for line, amount in wanted.items()
        ),
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)


def take_back(model: Model, body: Json, *, invoice: Json, wanted: dict[str, int], answered: Json, at: datetime) -> Json:
    """This function will reverse so much of each line, and return what the answer says of it."""
    place = (body["project"], body["invoice"])
    earlier = model.reversals.setdefault(place, [])
    billed = {line["id"]: line["amount"] for line in invoice["lines"]}
    parts = {
        line: parts_of(line, amount, billed=billed[line], discounts=invoice["discounts"], earlier=earlier)
        for line, amount in wanted.items()
    }
    new = Reversal(
        invoice=body["invoice"],
        reason=body["reason"],
        is_charged_back=body.get("chargedBack", False),
        at=at,
        lines=wanted,
        parts=parts,
        answer={},
    )
    earlier.append(new)
    on_it = [each for each in model.discounts if each.id in {part["discount"] for part in invoice["discounts"]}]
    touched = sorted(
        (each for each in on_it if any(each.id in each_line for each_line in parts.values())), key=lambda each: each.id
    )
    if body["reason"] in GIVING_BACK:
        give_cycle_back(model, touched, invoice=body["invoice"], at=at)
    model.taken_back += [(each, new) for each in touched]
    for each in on_it:
        free_customers_place(model, each)
    shown = {each["discount"]: each for each in answered["discounts"]}
    request, _ = model.answered["apply", *place]
    return {
        "subscription": request["subscription"],
        "customer": request["customer"],
        "currency": request["currency"],
        "amount": sum(wanted.values()),
        "discountTotal": sum(new.of(each.id) for each in touched),
        "lines": [
            {"id": line, "amount": amount, "discountShare": sum(parts[line].values())}
            for line, amount in wanted.items()
        ],
        "discounts": [
            {
                "discount": each.id,
                "voucher": each.voucher,
                # Not shown elsewhere.
                "usage": shown.get(each.id, {}).get("usage"),
                "reverses": shown.get(each.id, {}).get("reverses"),
                "amount": new.of(each.id),
                "status": status_of(each),
                "cycles": len(each.starts),
                "endsOn": ends_on(each),
            }
            for each in touched
        ],
        "reversedAt": written(at),
    }


def parts_of(
    line: str, amount: int, *, billed: int, discounts: Sequence[Json], earlier: Sequence[Reversal]
) -> dict[str, int]:
    """This function will return each discount's part of a line: what is due by now, less what went before."""
    taken = {each["discount"]: each["lines"][line] for each in discounts if line in each["lines"]}
    if not taken:
        return {}
    refunded = amount + refunded_of(line, earlier)
    due = math.floor(Fraction(refunded * sum(taken.values()), billed) + Fraction(1, 2))
    left = {
        each: part - sum(one.parts[line][each] for one in earlier if line in one.parts) for each, part in taken.items()
    }
    gone = sum(taken.values()) - sum(left.values())
    if due == gone:
        return dict.fromkeys(taken, 0)
    return dict(zip(left, split(due - gone, list(left.values())), strict=True))


def give_cycle_back(model: Model, discounts: Sequence[Discount], *, invoice: str, at: datetime) -> None:
    """This function will undo what an invoice did to its discounts; what finds no place does not count as running."""
    if not discounts:
        return
    place = {"project": discounts[0].project, "subscription": discounts[0].subscription}
    others = model.running_on(place, at=at)
    runs = [each for each in discounts if each in others]
    others = [each for each in others if each not in discounts]
    beside = model.granted_to(place)
    model.complete([each for each in beside if each not in discounts], at=at)
    for each in sorted(discounts, key=lambda each: (each not in runs, each.id)):
        each.taken = [taken for taken in each.taken if taken.invoice != invoice]
        if each.ended_at is not None:
            continue
        taken = {other.voucher for other in others} | held_for(model, place, at=at)
        has_no_place = each.voucher in taken or len(others) >= RUNNING_MAX
        each.is_parked = has_no_place and not each.is_over_by(at.date())
        each.is_completed = each.is_parked or each.is_over_by(at.date())
        if not each.is_completed:
            others.append(each)


def held_for(model: Model, place: Json, *, at: datetime) -> set[str]:
    """This function will return the vouchers that are held for a subscription."""
    open_ = [each for each in model.holds if each.status == "open" and not each.has_lapsed(at)]
    return {each.voucher.id for each in open_ if all(each.body[name] == value for name, value in place.items())}


def free_customers_place(model: Model, discount: Discount) -> None:
    """This function will free the customer's own place, where all that was bought was refunded in full."""
    voucher = model.voucher(discount.project, discount.voucher)
    assert voucher is not None
    if discount.has_returned or is_charged_back(model, discount) or not discount.taken:
        return
    if all(is_refunded_in_full(model, discount, taken) for taken in discount.taken):
        discount.has_returned = True
        voucher.freed.append(discount.customer)


def is_charged_back(model: Model, discount: Discount) -> bool:
    """This function will tell whether something that a discount was used for was charged back."""
    return any(each is discount and reversal.is_charged_back for each, reversal in model.taken_back)


def is_refunded_in_full(model: Model, discount: Discount, taken: Taken) -> bool:
    """This function will tell whether nothing is left of the lines that a discount took something off."""
    _, invoice = model.answered["apply", discount.project, taken.invoice]
    mine = next(each["lines"] for each in invoice["discounts"] if each["discount"] == discount.id)
    refunds = [each for each in model.reversals.get((discount.project, taken.invoice), []) if each.reason == "refunded"]
    return all(
        sum(each.lines.get(line["id"], 0) for each in refunds) == line["amount"]
        for line in invoice["lines"]
        if line["id"] in mine
    )


def end(model: Model, discount: Discount, *, at: datetime) -> Json:
    """This function will answer `discounts.end`."""
    if discount.ended_at is None:
        stop(model, discount, at=at)
    return shown_discount(discount)


def stop(model: Model, discount: Discount, *, at: datetime) -> None:
    """This function will end a discount."""
    model.move_on(at)
    discount.ended_at, discount.is_completed = at, True


def end_subscription(model: Model, body: Json, *, at: datetime) -> Json:
    """This function will answer `subscriptions.end`: what never took effect gives its place back, once."""
    granted = model.granted_to(body)
    model.move_on(at)
    ended = [each for each in granted if each.ended_at is None]
    for each in ended:
        stop(model, each, at=at)
    unused = [each for each in granted if not each.taken and not is_charged_back(model, each)]
    returned = [each for each in unused if not each.has_returned]
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
    """This function will give the voucher's, the code's and the customer's place back."""
    voucher = model.voucher(discount.project, discount.voucher)
    assert voucher is not None
    discount.has_returned = True
    voucher.returned.append(discount.customer)
    if discount.code is not None:
        discount.code.redemptions -= 1


def shown_discount(discount: Discount) -> Json:
    """This function will return a discount as callers see it."""
    price = discount.terms.get("priceDiscount")
    return {
        "object": "discount",
        "id": discount.id,
        "project": discount.project,
        "createdAt": written(discount.created_at),
        "voucher": discount.voucher,
        "customer": discount.customer,
        "subscription": discount.subscription,
        "priceDiscount": price and {"currencyOptions": {}, **price},
        "priceDiscountPercentage": discount.terms.get("priceDiscountPercentage"),
        "recurrence": {"durationInMonths": None, "durationInCycles": None, **discount.terms["recurrence"]},
        "carryOver": discount.terms.get("carryOver", False),
        "maximumDiscount": shown_amounts(discount.terms.get("maximumDiscount")),
        "products": discount.products,
        "startsOn": discount.starts_on.isoformat(),
        "firstPeriodStart": min(discount.starts).isoformat() if discount.starts else None,
        "endsOn": ends_on(discount),
        "cycles": len(discount.starts),
        "status": status_of(discount),
        "endedAt": written(discount.ended_at),
    }


def ends_on(discount: Discount) -> str | None:
    """This function will return the end of a discount's window as it is shown."""
    day = discount.ends_on()
    return day.isoformat() if day else None


def status_of(discount: Discount) -> str:
    """This function will return a discount's status as it is shown."""
    if discount.ended_at is not None:
        return "ended"
    return "completed" if discount.is_completed else "running"
