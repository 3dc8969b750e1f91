"""The model of random histories: `billing.reverse`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tests.histories.crediting import forget, note_shares, shown_taken_again, standing_credits, take_again, taken_on
from tests.histories.discounting import Discount, Taken
from tests.histories.ending import ends_on, is_charged_back, status_of
from tests.histories.entities import Credit, Entry, Json, Reversal, written
from tests.histories.model import Model
from tests.histories.running_again import let_run_again, place_of
from tests.histories.sharing import GIVING_BACK, is_given_back, parts_of, refunded_of


def reverse(model: Model, body: Json, *, answered: Json, at: datetime) -> Json:
    """Answer `billing.reverse`. The ids of entries are those of the answer."""
    head = {"object": "reversal", "project": body["project"], "invoice": body["invoice"]}
    head |= {"requestId": body.get("requestId"), "kind": body["kind"], "actor": body.get("actor")}
    nothing: Json = dict.fromkeys(
        ("id", "subscription", "customer", "currency", "amount", "discountTotal", "actor", "reversedAt")
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
    refunds = [each for each in earlier if each.kind == "refunded"]
    left = {line: amount for line, amount in left.items() if not 0 < refunded_of(line, refunds) == billed[line]}
    reason = refusal(body["kind"], wanted=wanted, billed=billed, earlier=earlier, has_credits=bool(invoice["credits"]))
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


def refusal(
    kind: str,
    *,
    wanted: dict[str, int],
    billed: dict[str, int],
    earlier: Sequence[Reversal],
    has_credits: bool,
) -> str | None:
    """Return the first reason that is true, in the contract's order, or None."""
    is_something_left = any(refunded_of(line, earlier) < amount for line, amount in billed.items())
    was_refunded = any(each.kind == "refunded" for each in earlier)
    rows = {
        "already_reversed": is_given_back(earlier),
        "already_refunded": kind in GIVING_BACK
        and was_refunded
        and not (kind == "charged_back" and (is_something_left or has_credits)),
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
            line: parts_of(
                line,
                amount,
                billed=billed[line],
                discounts=invoice["discounts"],
                earlier=earlier,
                anew=model.anew.get((*place, line)),
            )
            for line, amount in wanted.items()
        },
        answer={},
    )
    earlier.append(new)
    request, _ = model.answered["apply", *place]
    on_invoice = [each for each in model.discounts if each.id in {part["discount"] for part in invoice["discounts"]}]
    in_parts = [each for each in on_invoice if any(each.id in parts for parts in new.parts.values())]
    touched = sorted(in_parts, key=lambda each: each.id)
    taken = [] if new.kind == "refunded" else standing_credits(model, request)
    give_back(model, touched, reversal=new, taken=taken, places=[request, *map(place_of, on_invoice)], at=at)
    note_reversal(model, touched, reversal=new, request=request)
    for credit in taken:
        forget(model, credit)
        note_shares(model, request, given=credit.given, sign=1, at=at)
    for each in on_invoice:
        free_customers_place(model, each)
    return shown_reversal(model, new, touched, request=request, taken=taken, answered=answered)


def note_reversal(model: Model, touched: Sequence[Discount], *, reversal: Reversal, request: Json) -> None:
    """Add a reversal to the ledger."""
    model.reversed_discounts += [(each, reversal) for each in touched]
    model.entries += [
        Entry(
            discount=each,
            ref=reversal.invoice,
            ref_type="reversal",
            at=reversal.at,
            usage=0 if reversal.kind == "refunded" else -1,
            amount=-reversal.of(each.id),
            currency=request["currency"],
        )
        for each in touched
    ]


def shown_reversal(
    model: Model,
    new: Reversal,
    touched: Sequence[Discount],
    *,
    request: Json,
    taken: Sequence[Credit],
    answered: Json,
) -> Json:
    """Return the fields of an answer about a reversal: its own discounts first, then the credits taken back."""
    shown = {each["discount"]: each for each in answered["discounts"][: len(touched)]}
    place = (request["project"], request["invoice"])
    shares = {line: sum(new.parts[line].values()) for line in new.lines}
    shares |= {credit.line: -sum(share.amount for _, share in credit.given) for credit in taken}
    return {
        "subscription": request["subscription"],
        "customer": request["customer"],
        "currency": request["currency"],
        "amount": sum(new.lines.values()),
        "discountTotal": sum(shares.values()),
        "lines": [{"id": line, "amount": amount, "discountShare": shares[line]} for line, amount in new.lines.items()],
        "discounts": [
            {
                "discount": each.id,
                "voucher": each.voucher,
                "usage": model.entry_id("reversal", answered["id"], each.id, shown=shown.get(each.id, {}).get("usage")),
                "reverses": model.entry_id("invoice", *place, each.id, shown=shown.get(each.id, {}).get("reverses")),
                "amount": new.of(each.id),
                "status": status_of(each),
                "cycles": len(each.starts),
                "fullPriceFrom": ends_on(each),
            }
            for each in touched
        ]
        + shown_taken_again(model, request, taken=taken, shown=answered["discounts"][len(touched) :], at=new.at),
        "reversedAt": written(new.at),
    }


def give_back(
    model: Model,
    touched: Sequence[Discount],
    *,
    reversal: Reversal,
    taken: Sequence[Credit],
    places: Sequence[Json],
    at: datetime,
) -> None:
    """Undo the effect of an invoice and its credits on discounts, or give a refund back to totals."""
    is_refund = reversal.kind == "refunded"
    credited = [each for credit in taken for each, _ in credit.given]
    for credit in taken:
        for each, _ in credit.given:
            if not each.total:
                take_again(credit, each)

    def change(discount: Discount) -> None:
        if is_refund:
            mine = taken_on(discount, reversal.invoice)
            discount.refunded.append(replace(mine, amount=reversal.of(discount.id)))
        elif discount in touched:
            discount.taken.remove(taken_on(discount, reversal.invoice))
        if discount.total:
            for credit in taken:
                take_again(credit, discount)

    decided = {each.id: each for each in touched if each.total or not is_refund}
    decided |= {each.id: each for each in credited if each.total}
    places = [*places, *map(place_of, credited)]
    places += [model.answered["apply", credit.project, credit.reversal.invoice][0] for credit in taken]
    let_run_again(model, [decided[each] for each in sorted(decided)], change=change, places=places, at=at)


def free_customers_place(model: Model, discount: Discount) -> None:
    """Return the customer's own place if everything that was bought was refunded in full."""
    voucher = model.voucher(discount.project, discount.voucher)
    assert voucher is not None
    if discount.place_is_returned or is_charged_back(model, discount) or not discount.taken:
        return
    if discount.terms.get("carryOver") or (discount.elsewhere and discount.elsewhere.starts):
        return
    if any(is_refunded_in_full(model, discount, each) for each in discount.taken) and all(
        is_refunded_in_full(model, discount, each) or was_never_paid(model, discount, each) for each in discount.taken
    ):
        discount.place_is_returned = True
        voucher.freed.append(discount.customer)


def was_never_paid(model: Model, discount: Discount, taken: Taken) -> bool:
    """Return whether an invoice was voided or not paid, also if credits had left nothing of the discount's lines."""
    kinds = {each.kind for each in model.reversals.get((discount.project, taken.invoice), [])}
    return bool(kinds & {"voided", "payment_failed"})


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
