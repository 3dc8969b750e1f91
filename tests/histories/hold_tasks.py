"""The model of random histories: `redemptions.reserve`, `.confirm` and `.release`."""

from datetime import datetime, timedelta

from tests.histories.combining import terms_beside
from tests.histories.entities import Json, written
from tests.histories.hold_rules import (
    FINAL_STATUSES,
    TTL_SECONDS,
    Hold,
    holds_to_replace,
    lapse_near_holds,
    replace_holds,
)
from tests.histories.model import Model
from tests.histories.redeeming import other_discount, redeem
from tests.histories.refusals import refusal


def reserve(model: Model, body: Json, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
    """Answer `redemptions.reserve`. The decision is that of a redemption, for a place that is held."""
    names = ("project", "requestId", "customer", "subscription")
    head = {"object": "hold", "decidedAt": written(at), **{name: body[name] for name in names}, "retryable": False}
    nothing: Json = {**dict.fromkeys(("id", "voucher", "code", "discount", "expiresAt")), "status": "refused"}
    voucher, code = model.named(body)
    model.complete(model.granted_to(body), at=at)
    lapse_near_holds(model.holds, voucher=voucher, body=body, at=at)
    key = ("reserve", body["project"], body["requestId"])
    stored = model.replay(key, body=body, conflict={**head, **nothing})
    if stored is not None:
        return stored
    running = model.running_on(body, at=at)
    beside = terms_beside(model.holds, running=running, voucher=voucher, body=body, at=at)
    reason = refusal(voucher, code, body=body, running=running, at=at, beside=beside)
    answer = {**head, **nothing, "outcome": "refused", "reason": reason, "code": body.get("code")}
    if voucher is None:
        return model.remember(key, body=body, answer=answer, at=at)
    answer |= {"voucher": voucher.id, "code": code.text if code else voucher.body.get("code")}
    if reason is not None:
        answer["discount"] = other_discount(voucher, body, reason=reason, at=at)
        return model.remember(key, body=body, answer=answer, at=at)
    replaced = holds_to_replace(model.holds, voucher=voucher, code=code, body=body, at=at)
    if replaced is None:
        model.move_on(at)
        return {**answer, "reason": "fully_reserved", "retryable": True}
    replace_holds(replaced)
    assert id is not None
    assert id not in [each.answer["id"] for each in model.holds]
    ends = at + timedelta(seconds=body.get("ttl", TTL_SECONDS))
    answer |= {"id": id, "outcome": "accepted", "status": "open", "expiresAt": written(ends)}
    asked_for = {name: value for name, value in body.items() if name != "ttl"}
    model.holds.append(Hold(body=asked_for, voucher=voucher, code=code, answer=answer))
    return model.remember(key, body=body, answer=answer, at=at)


def confirm(model: Model, hold: Hold, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
    """Answer `redemptions.confirm`: redeem the request of the hold if the limits allow it."""
    if hold.status == "released" and ("redeem", hold.body["project"], hold.body["requestId"]) not in model.answered:
        return released(hold, at=at)
    counts = hold.status == "open" and not hold.has_lapsed(at)
    answer = redeem(model, hold.body, id=id, at=at, named=(hold.voucher, hold.code))
    under_its_id = answered_under_its_id(model, hold)
    if hold.status in FINAL_STATUSES or under_its_id is None:
        return answer
    if is_redeemed(model, hold):
        hold.status = "confirmed"
    elif counts or under_its_id[1]["outcome"] == "accepted":
        hold.status = "released"
    return answer


def release(model: Model, hold: Hold) -> Json:
    """Answer `redemptions.release`. A redeemed hold stays confirmed."""
    if hold.status not in FINAL_STATUSES:
        hold.status = "confirmed" if is_redeemed(model, hold) else "released"
    return {**hold.answer, "status": hold.status}


def answered_under_its_id(model: Model, hold: Hold) -> tuple[Json, Json] | None:
    """Return the redemption request under a hold's id with its answer, or None."""
    return model.answered.get(("redeem", hold.body["project"], hold.body["requestId"]))


def is_redeemed(model: Model, hold: Hold) -> bool:
    """Return whether the hold was redeemed: with the same body, voucher and code."""
    body, answer = answered_under_its_id(model, hold) or ({}, {})
    granted = [each for each in model.discounts if each.id == answer.get("discount")]
    return body == hold.body and [(each.voucher, each.code) for each in granted] == [(hold.voucher.id, hold.code)]


def released(hold: Hold, *, at: datetime) -> Json:
    """Return the refusal to confirm a released hold."""
    names = ("project", "requestId", "customer", "subscription")
    return {
        "object": "redemption",
        **dict.fromkeys(("id", "discount", "redemptionNumber")),
        **{name: hold.body[name] for name in names},
        "outcome": "refused",
        "reason": "hold_released",
        "voucher": hold.voucher.id,
        "code": hold.answer["code"],
        "decidedAt": written(at),
    }
