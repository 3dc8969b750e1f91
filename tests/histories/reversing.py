"""The model of random histories: `billing.reverse`."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from tests.histories.discounting import Discount, Taken, split
from tests.histories.ending import ends_on, is_charged_back, status_of
from tests.histories.entities import Json, Reversal, written
from tests.histories.model import Model
from tests.histories.refusals import RUNNING_MAX

GIVING_BACK = ("voided", "payment_failed", "charged_back")


def reverse(model: Model, body: Json, *, answered: Json, at: datetime) -> Json:
    """Answer `billing.reverse`. The ids of entries are those of the answer."""
    head = {"object": "reversal", "project": body["project"], "invoice": body["invoice"]}
    head |= {"requestId": body.get("requestId"), "kind": body["kind"]}
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
    first = next((each for each in earlier if each.kind == body["kind"] != "refunded"), None)
    _, invoice = model.answered["apply", body["project"], body["invoice"]]
    billed = {line["id"]: line["amount"] for line in invoice["lines"]}
    wanted = {line["id"]: line["amount"] for line in body.get("lines", [])}
    left = {line: amount - refunded_of(line, earlier) for line, amount in billed.items()}
    left = {line: amount for line, amount in left.items() if amount or not billed[line]}
    reason = refusal(body["kind"], wanted=wanted, billed=billed, earlier=earlier)
    if first is not None:
        # The repeated answer has the instant of the first reversal.
        answer, at = first.answer, model.now
    elif reason is not None:
        answer = {**head, **nothing, "outcome": "refused", "reason": reason}
    else:
        answer = {**head, "outcome": "reversed", "reason": None, "id": answered["id"]}
        answer |= reverse_lines(model, body, invoice=invoice, wanted=wanted or left, answered=answered, at=at)
        new = model.reversals[body["project"], body["invoice"]][-1]
        new.answer.update(answer)
    return model.remember(key, body=body, answer=answer, at=at) if "requestId" in body else answer


def refunded_of(line: str, earlier: Sequence[Reversal]) -> int:
    """Return the amount of a line that was reversed before."""
    return sum(each.lines.get(line, 0) for each in earlier)


def refusal(
    kind: str,
    *,
    wanted: dict[str, int],
    billed: dict[str, int],
    earlier: Sequence[Reversal],
) -> str | None:
    """Return the first reason that is true, in the contract's order, or None."""
    is_something_left = any(refunded_of(line, earlier) < amount for line, amount in billed.items())
    rows = {
        "already_reversed": any(each.kind in GIVING_BACK for each in earlier),
        "already_refunded": kind in GIVING_BACK
        and bool(earlier)
        and not (kind == "charged_back" and is_something_left),
        "line_not_found": not set(wanted) <= set(billed),
        "amount_exceeds_line": any(
            amount + refunded_of(line, earlier) > billed.get(line, amount) for line, amount in wanted.items()
        ),
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)


def reverse_lines(
    model: Model, body: Json, *, invoice: Json, wanted: dict[str, int], answered: Json, at: datetime
) -> Json:
    """Reverse an amount of each line, and return those fields of the answer."""
    place = (body["project"], body["invoice"])
    earlier = model.reversals.setdefault(place, [])
    billed = {line["id"]: line["amount"] for line in invoice["lines"]}
    new = Reversal(
        invoice=body["invoice"],
        kind=body["kind"],
        at=at,
        lines=wanted,
        parts={
            line: parts_of(line, amount, billed=billed[line], discounts=invoice["discounts"], earlier=earlier)
            for line, amount in wanted.items()
        },
        answer={},
    )
    earlier.append(new)
    request, _ = model.answered["apply", *place]
    on_invoice = [each for each in model.discounts if each.id in {part["discount"] for part in invoice["discounts"]}]
    in_parts = [each for each in on_invoice if any(each.id in parts for parts in new.parts.values())]
    touched = sorted(in_parts, key=lambda each: each.id)
    give_back(model, touched, reversal=new, places=[request, *map(place_of, on_invoice)], at=at)
    model.reversed_discounts += [(each, new) for each in touched]
    for each in on_invoice:
        free_customers_place(model, each)
    return shown_reversal(new, touched, request=request, answered=answered)


def shown_reversal(new: Reversal, touched: Sequence[Discount], *, request: Json, answered: Json) -> Json:
    """Return the fields of an answer about a reversal."""
    shown = {each["discount"]: each for each in answered["discounts"]}
    return {
        "subscription": request["subscription"],
        "customer": request["customer"],
        "currency": request["currency"],
        "amount": sum(new.lines.values()),
        "discountTotal": sum(new.of(each.id) for each in touched),
        "lines": [
            {"id": line, "amount": amount, "discountShare": sum(new.parts[line].values())}
            for line, amount in new.lines.items()
        ],
        "discounts": [
            {
                "discount": each.id,
                "voucher": each.voucher,
                # Ids that no other answer shows.
                "usage": shown.get(each.id, {}).get("usage"),
                "reverses": shown.get(each.id, {}).get("reverses"),
                "amount": new.of(each.id),
                "status": status_of(each),
                "cycles": len(each.starts),
                "fullPriceFrom": ends_on(each),
            }
            for each in touched
        ],
        "reversedAt": written(new.at),
    }


def parts_of(
    line: str, amount: int, *, billed: int, discounts: Sequence[Json], earlier: Sequence[Reversal]
) -> dict[str, int]:
    """Return each discount's part of a line: the part due by now, without earlier parts."""
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


def give_back(
    model: Model, touched: Sequence[Discount], *, reversal: Reversal, places: Sequence[Json], at: datetime
) -> None:
    """Undo the effect of an invoice on discounts, or give a refund back to balances.

    A discount without room on its subscription stays completed. `places` are the subscriptions to look at: that of the
    invoice, and those that its discounts are on now.
    """
    is_refund = reversal.kind == "refunded"
    discounts = [each for each in touched if each.terms.get("carryOver") or not is_refund]
    if not discounts:
        return
    runs = [each for each in discounts if each.runs_by(at.date())]
    for place in places:
        model.complete([each for each in model.granted_to(place) if each not in discounts], at=at)
    for each in discounts:
        (mine,) = [taken for taken in each.taken if taken.invoice == reversal.invoice]
        if is_refund:
            each.refunded.append(replace(mine, amount=reversal.of(each.id)))
        else:
            each.taken.remove(mine)
        each.has_updated_at = True
    undecided = [*runs, *(each for each in discounts if each not in runs)]
    while undecided:
        each = undecided.pop(0)
        if each.ended_at is None:
            run_if_there_is_room(model, each, without=undecided, at=at)


def place_of(discount: Discount) -> Json:
    """Return the subscription that a discount is on."""
    return {"project": discount.project, "subscription": discount.subscription}


def run_if_there_is_room(model: Model, discount: Discount, *, without: Sequence[Discount], at: datetime) -> None:
    """Let a discount that is not over run on its subscription, or stay completed if there is no room beside others."""
    place = place_of(discount)
    others = [each for each in model.running_on(place, at=at) if each is not discount and each not in without]
    taken = {each.voucher for each in others} | held_for(model, place, at=at)
    has_no_place = discount.voucher in taken or len(others) >= RUNNING_MAX
    discount.stays_completed = has_no_place and not discount.is_over_by(at.date())
    discount.is_completed = discount.stays_completed or discount.is_over_by(at.date())
    discount.has_completed_at = discount.is_completed


def held_for(model: Model, place: Json, *, at: datetime) -> set[str]:
    """Return the vouchers that are held for a subscription."""
    open_ = [each for each in model.holds if each.status == "open" and not each.has_lapsed(at)]
    return {each.voucher.id for each in open_ if all(each.body[name] == value for name, value in place.items())}


def free_customers_place(model: Model, discount: Discount) -> None:
    """Return the customer's own place if everything that was bought was refunded in full."""
    voucher = model.voucher(discount.project, discount.voucher)
    assert voucher is not None
    if discount.place_is_returned or is_charged_back(model, discount) or not discount.taken:
        return
    if discount.terms.get("carryOver"):
        return
    if all(is_refunded_in_full(model, discount, taken) for taken in discount.taken):
        discount.place_is_returned = True
        voucher.freed.append(discount.customer)


def is_refunded_in_full(model: Model, discount: Discount, taken: Taken) -> bool:
    """Return whether nothing is left of the lines that a discount reduced."""
    _, invoice = model.answered["apply", discount.project, taken.invoice]
    mine = next(each["lines"] for each in invoice["discounts"] if each["discount"] == discount.id)
    refunds = [each for each in model.reversals.get((discount.project, taken.invoice), []) if each.kind == "refunded"]
    return all(
        sum(each.lines.get(line["id"], 0) for each in refunds) == line["amount"]
        for line in invoice["lines"]
        if line["id"] in mine
    )
