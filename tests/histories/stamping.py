"""`usages.record` and `usages.list`, as the model answers them: the ledger of a voucher and a customer."""

import hashlib
import json
from datetime import datetime
from typing import Any

from typeid import TypeID

from tests.histories.discounting import Discount, amounts_of
from tests.histories.kept import Json, Record, Voucher, written
from tests.histories.model import Model, refusal

# What ends the collecting of stamps: the reasons that concern the voucher alone.
ENDS_COLLECTING = {"voucher_retired", "voucher_not_started", "voucher_expired", "max_redemptions_reached"}
FOR_THE_GRANT = ("products", "currency", "subtotal", "startsOn")


def record_usage(model: Model, body: Json, *, answered: Json) -> Json:
    """This function will answer `usages.record`: once for each reference, with the discount of a card that is full."""
    voucher = model.voucher(body["project"], body["voucher"])
    if voucher is None:
        return {"notFound": "voucher"}
    names = ("project", "voucher", "customer", "ref")
    head = {"object": "usage", **{name: body[name] for name in names}, "refType": body.get("refType", "manual")}
    head |= {"currency": body.get("currency"), "createdBy": body.get("createdBy"), "redemption": None}
    nothing = {**dict.fromkeys(("id", "createdAt", "currentStamp")), "usage": 0, "stamp": 0, "amount": 0}
    key = ("record", *(body[name] for name in names))
    stored = model.replay(key, body=body, conflict={**head, **nothing})
    if stored is not None:
        return stored
    size, stamps = voucher.body.get("stampCard", {}).get("stamps", 0), body.get("stamp", 0)
    if stamps > size:
        return {"invalid": ["stamp"]}
    at = datetime.fromisoformat(answered["createdAt"])
    collected = on_card(model, voucher, customer=body["customer"]) + stamps
    reason = collecting_refusal(voucher, body=body, at=at) if stamps else None
    redemption = None
    if stamps and reason is None and collected >= size:
        redemption = redeem_card(model, voucher, body=body, answered=answered["redemption"])
    completed = redemption is not None and redemption["outcome"] == "accepted"
    new = Record(
        id=answered["id"],
        voucher=voucher,
        body=body,
        at=at,
        is_refused=reason is not None,
        completed_card=completed,
    )
    model.records.append(new)
    answer = {
        **head,
        "id": answered["id"],
        "outcome": "refused" if reason else "recorded",
        "reason": reason,
        **{name: new.count(name) for name in ("usage", "stamp", "amount")},
        "createdAt": written(at),
        "currentStamp": on_card(model, voucher, customer=body["customer"]),
        "redemption": redemption,
    }
    return model.keep(key, body=body, answer=answer, at=at if redemption is None else model.now)


def on_card(model: Model, voucher: Voucher, *, customer: str) -> int:
    """This function will return how many stamps are on a customer's card. No history lasts until one expires."""
    card = voucher.body.get("stampCard")
    if card is None:
        return 0
    records = [each for each in model.records if each.voucher is voucher and each.body["customer"] == customer]
    return sum(each.count("stamp") - card["stamps"] * each.completed_card for each in records)


def collecting_refusal(voucher: Voucher, *, body: Json, at: datetime) -> str | None:
    """This function will return why no stamps of a voucher are collected any more, or None."""
    reason = refusal(voucher, None, body={"customer": body["customer"]}, running=[], at=at)
    return reason if reason in ENDS_COLLECTING else None


def redeem_card(model: Model, voucher: Voucher, *, body: Json, answered: Json | None) -> Json:
    """This function will redeem a full card, under a request id that its entry gives."""
    # Where the task did not redeem, there is nothing to take over.
    shown = answered or {"id": "red_", "decidedAt": written(model.now)}
    parts = [str(TypeID.from_string(voucher.id).uuid), body["customer"], body["ref"]]
    digest = hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()
    request: Json = {
        "project": body["project"],
        "requestId": f"usage-{digest}",
        "voucher": voucher.id,
        "customer": body["customer"],
        "subscription": body.get("subscription", body["ref"]),
        **{name: body[name] for name in FOR_THE_GRANT if name in body},
    }
    at = datetime.fromisoformat(shown["decidedAt"])
    return model.redeem(request, id=shown["id"], at=at, card_is_full=True)


def usage_items(model: Model, voucher: Voucher) -> list[Json]:
    """This function will answer `usages.list`: an item for each customer who was granted or recorded anything."""
    granted = [each for each in model.discounts if each.voucher == voucher.id]
    records = [each for each in model.records if each.voucher is voucher and not each.is_refused]
    customers = {each.customer for each in granted} | {each.body["customer"] for each in records}
    return [
        usage_item(
            model,
            voucher,
            customer=customer,
            granted=[each for each in granted if each.customer == customer],
            records=[each for each in records if each.body["customer"] == customer],
        )
        for customer in sorted(customers)
    ]


def usage_item(
    model: Model, voucher: Voucher, *, customer: str, granted: list[Discount], records: list[Record]
) -> Json:
    """This function will return what one customer had of a voucher, with the sums of the entries."""
    firsts: list[tuple[datetime, str, str | None]] = [(each.created_at, each.id, None) for each in granted[:1]]
    firsts += [(each.at, each.id, each.body.get("createdBy")) for each in records[:1]]
    created_at, identity, created_by = min(firsts, key=lambda first: first[0])
    entries = [(taken.at, taken) for discount, taken in model.ledger if discount in granted]
    refs: list[tuple[datetime, Json]] = [
        (at, ref_of(taken.invoice, "invoice", at, 1, 0, taken.amount)) for at, taken in entries
    ]
    for each in records:
        counts = (each.count("usage"), each.count("stamp"), each.count("amount"))
        ref = ref_of(each.body["ref"], each.body.get("refType", "manual"), each.at, *counts)
        refs.append((each.at, {**ref, "createdBy": each.body.get("createdBy")}))
    for discount, reversal in model.taken_back:
        if discount in granted:
            usage = 0 if reversal.reason == "refunded" else -1
            refs.append(
                (reversal.at, ref_of(reversal.invoice, "reversal", reversal.at, usage, 0, -reversal.of(discount.id)))
            )
    refs.sort(key=lambda ref: ref[0])
    usage = sum(ref["usage"] for _, ref in refs)
    left = [each.left_in(voucher.body["priceDiscount"]["currency"]) for each in granted if each.terms.get("carryOver")]
    return {
        "id": f"use_{identity[4:]}",
        "refId": granted[0].id if granted else None,
        "discountId": voucher.id,
        "customerId": customer,
        "createdAt": written(created_at),
        "updatedAt": written(max([each.created_at for each in granted] + [at for at, _ in refs])),
        "createdBy": created_by,
        "usageRefs": [ref for _, ref in refs],
        "statistics": {
            "stamp": sum(ref["stamp"] for _, ref in refs),
            "used": usage,
            "usage": usage,
            "amount": sum(ref["amount"] for _, ref in refs),
            "debitBalance": sum(left) if voucher.body.get("carryOver") and amounts_of(voucher.body) else None,
            "currentStamp": on_card(model, voucher, customer=customer),
        },
    }


def ref_of(ref: str, type_: str, at: datetime, usage: int, stamp: int, amount: int) -> dict[str, Any]:  # noqa: PLR0917
    """This function will return an entry as it is listed."""
    counts = {"usage": usage, "stamp": stamp, "amount": amount}
    return {"ref": ref, "refType": type_, **counts, "createdAt": written(at), "createdBy": None}
