"""The model of random histories: `usages.record` and `usages.list`, the ledger of a voucher and a customer."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from typeid import TypeID

from tests.histories.discounting import Discount, total_of
from tests.histories.entities import Json, Record, Voucher, written
from tests.histories.model import Model
from tests.histories.redeeming import redeem
from tests.histories.refusals import refusal

# Reasons that end the collecting of stamps: those that concern the voucher alone.
ENDS_COLLECTING = {"voucher_retired", "voucher_not_started", "voucher_expired", "max_redemptions_reached"}
IDENTITY = ("project", "voucher", "customer", "ref")
FOR_THE_GRANT = ("products", "currency", "subtotal", "startsOn", "isFirstPurchase")


def record_usage(model: Model, body: Json, *, answered: Json) -> Json:
    """Answer `usages.record`: once for each reference, with the discount of a full card."""
    voucher = model.voucher(body["project"], body["voucher"])
    if voucher is None:
        return {"notFound": "voucher"}
    head = {"object": "usage", **{name: body[name] for name in IDENTITY}, "refType": body.get("refType", "manual")}
    head |= {"currency": body.get("currency"), "createdBy": body.get("createdBy"), "redemption": None}
    nothing = {**dict.fromkeys(("id", "createdAt", "currentStamp")), "usage": 0, "stamp": 0, "amount": 0}
    key = ("record", *(body[name] for name in IDENTITY))
    stored = model.replay(key, body=body, conflict={**head, **nothing})
    if stored is not None:
        return stored
    size, stamps = voucher.body.get("stampCard", {}).get("stamps", 0), body.get("stamp", 0)
    if stamps > size:
        return {"invalid": ["stamp"]}
    at = datetime.fromisoformat(answered["createdAt"])
    collected = stamps_on_card(model, voucher, customer=body["customer"]) + stamps
    reason = collecting_refusal(voucher, body=body, at=at) if stamps else None
    redemption = None
    if stamps and reason is None and collected >= size:
        redemption = redeem_card(model, voucher, body=body, answered=answered["redemption"])
    new = Record(id=answered["id"], voucher=voucher, body=body, at=at, is_refused=reason is not None)
    new.completed_card = redemption is not None and redemption["outcome"] == "accepted"
    model.records.append(new)
    answer = {
        **head,
        "id": answered["id"],
        "outcome": "refused" if reason else "recorded",
        "reason": reason,
        **{name: new.count(name) for name in ("usage", "stamp", "amount")},
        "createdAt": written(at),
        "currentStamp": stamps_on_card(model, voucher, customer=body["customer"]),
        "redemption": redemption,
    }
    return model.remember(key, body=body, answer=answer, at=at if redemption is None else model.now)


def stamps_on_card(model: Model, voucher: Voucher, *, customer: str) -> int:
    """Return the number of stamps on a customer's card. No history lasts until a stamp expires."""
    card = voucher.body.get("stampCard")
    if card is None:
        return 0
    records = [each for each in model.records if each.voucher is voucher and each.body["customer"] == customer]
    return sum(each.count("stamp") - card["stamps"] * each.completed_card for each in records)


def collecting_refusal(voucher: Voucher, *, body: Json, at: datetime) -> str | None:
    """Return why stamps of a voucher are no longer collected, or None."""
    reason = refusal(voucher, None, body={"customer": body["customer"]}, running=[], at=at)
    return reason if reason in ENDS_COLLECTING else None


def redeem_card(model: Model, voucher: Voucher, *, body: Json, answered: Json | None) -> Json:
    """Redeem a full card, under a request id that follows from the entry."""
    # If the task did not redeem, the answer has no id and no instant. The comparison then fails.
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
    return redeem(model, request, id=shown["id"], at=at, card_is_full=True)


def usage_items(model: Model, voucher: Voucher) -> list[Json]:
    """Answer `usages.list`: an item for each customer with a discount or a record."""
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
    """Return a customer's item of a voucher, with the sums of the entries."""
    firsts: list[tuple[datetime, str, str | None]] = [(each.known_since, each.id, None) for each in granted[:1]]
    firsts += [(each.at, each.id, each.body.get("createdBy")) for each in records[:1]]
    created_at, identity, created_by = min(firsts, key=lambda first: first[0])
    refs = usage_refs(model, granted=granted, records=records)
    usage = sum(ref["usage"] for _, ref in refs)
    # The main currency comes first.
    currency = next(iter(total_of(voucher.body)), None)
    left = [each.left_in(currency) for each in granted] if currency else None
    return {
        "id": f"use_{identity[4:]}",
        "refId": granted[0].id if granted else None,
        "discountId": voucher.id,
        "customerId": customer,
        "createdAt": written(created_at),
        "updatedAt": written(max([each.known_since for each in granted] + [at for at, _ in refs])),
        "createdBy": created_by,
        "usageRefs": in_one_order([ref for _, ref in refs]),
        "moreRefsBefore": None,
        "statistics": {
            "stamp": sum(ref["stamp"] for _, ref in refs),
            "used": usage,
            "usage": usage,
            "amounts": amounts_by_currency([ref for _, ref in refs]),
            "debitBalance": None if left is None else sum(left),
            "currentStamp": stamps_on_card(model, voucher, customer=customer),
        },
    }


def usage_refs(model: Model, *, granted: list[Discount], records: list[Record]) -> list[tuple[datetime, Json]]:
    """Return the entries of a customer with their instants, in order."""
    refs: list[tuple[datetime, Json]] = [
        (each.at, {**ref_of(each.ref, each.ref_type, each.at, each.usage, 0, each.amount), "currency": each.currency})
        for each in model.entries
        if each.discount in granted
    ]
    for each in records:
        counts = (each.count("usage"), each.count("stamp"), each.count("amount"))
        ref = ref_of(each.body["ref"], each.body.get("refType", "manual"), each.at, *counts)
        sent = {"createdBy": each.body.get("createdBy"), "currency": each.body.get("currency")}
        refs.append((each.at, {**ref, **sent}))
    return sorted(refs, key=lambda ref: ref[0])


def in_one_order(refs: Sequence[Json]) -> list[Json]:
    """Return entries with those of one instant sorted, because the contract does not promise their order."""
    moments = groupby(refs, key=lambda ref: ref["createdAt"])
    return [ref for _, moment in moments for ref in sorted(moment, key=lambda ref: json.dumps(ref, sort_keys=True))]


def amounts_by_currency(refs: Sequence[Json]) -> dict[str, int]:
    """Return the sums of the amounts by currency, without the sums that are 0. XXX stands for no currency."""
    sums: Counter[str] = Counter()
    for ref in refs:
        sums[ref["currency"] or "XXX"] += ref["amount"]
    return {currency: amount for currency, amount in sums.items() if amount}


def ref_of(ref: str, type_: str, at: datetime, usage: int, stamp: int, amount: int) -> dict[str, Any]:  # noqa: PLR0917
    """Return an entry as `usages.list` shows it."""
    counts = {"usage": usage, "stamp": stamp, "amount": amount}
    return {"ref": ref, "refType": type_, **counts, "createdAt": written(at), "createdBy": None}
