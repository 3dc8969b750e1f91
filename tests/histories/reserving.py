"""`redemptions.reserve`, `.confirm` and `.release`, as the model answers them."""

from datetime import datetime, timedelta

from tests.histories.holding import SETTLED, TTL_SECONDS, Hold, making_way, tidy
from tests.histories.kept import Json, written
from tests.histories.model import Model, refusal


def reserve(model: Model, body: Json, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
    """This function will answer `redemptions.reserve`: as a redemption is decided, for a place that is held."""
    names = ("project", "requestId", "customer", "subscription")
    head = {"object": "hold", "decidedAt": written(at), **{name: body[name] for name in names}, "retryable": False}
    nothing: Json = {**dict.fromkeys(("id", "voucher", "code", "expiresAt")), "status": "refused"}
    voucher, code = model.named(body)
    model.complete(model.granted_to(body), at=at)
    tidy(model.holds, voucher=voucher, body=body, at=at)
    key = ("reserve", body["project"], body["requestId"])
    stored = model.replay(key, body=body, conflict={**head, **nothing})
    if stored is not None:
        return stored
    reason = refusal(voucher, code, body=body, running=model.running_on(body, at=at), at=at)
    answer = {**head, **nothing, "outcome": "refused", "reason": reason, "code": body.get("code")}
    if voucher is None:
        return model.keep(key, body=body, answer=answer, at=at)
    answer |= {"voucher": voucher.id, "code": code.text if code else voucher.body.get("code")}
    if reason is not None:
        return model.keep(key, body=body, answer=answer, at=at)
    aside = making_way(model.holds, voucher=voucher, code=code, body=body, at=at)
    if aside is None:
        model.move_on(at)
        return {**answer, "reason": "fully_reserved", "retryable": True}
    replace_holds(aside)
    assert id is not None
    assert id not in [each.answer["id"] for each in model.holds]
    ends = at + timedelta(seconds=body.get("ttl", TTL_SECONDS))
    answer |= {"id": id, "outcome": "accepted", "status": "open", "expiresAt": written(ends)}
    asked_for = {name: value for name, value in body.items() if name != "ttl"}
    model.holds.append(Hold(body=asked_for, voucher=voucher, code=code, answer=answer))
    return model.keep(key, body=body, answer=answer, at=at)


def confirm(model: Model, hold: Hold, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
    """This function will answer `redemptions.confirm`: what was asked for is redeemed, if the limits allow it."""
    if hold.status == "released" and ("redeem", hold.body["project"], hold.body["requestId"]) not in model.answered:
        return released(hold, at=at)
    counts = hold.status == "open" and not hold.has_lapsed(at)
    answer = model.redeem(hold.body, id=id, at=at, named=(hold.voucher, hold.code))
    under_its_id = answered_under_its_id(model, hold)
    if hold.status in SETTLED or under_its_id is None:
        return answer
    if is_redeemed(model, hold):
        hold.status = "confirmed"
    elif counts or under_its_id[1]["outcome"] == "accepted":
        hold.status = "released"
    return answer


def release(model: Model, hold: Hold) -> Json:
    """This function will answer `redemptions.release`: once, unless it was redeemed."""
    if hold.status not in SETTLED:
        hold.status = "confirmed" if is_redeemed(model, hold) else "released"
    return {**hold.answer, "status": hold.status}


def answered_under_its_id(model: Model, hold: Hold) -> tuple[Json, Json] | None:
    """This function will return what was asked for under a hold's id as a redemption, and its answer."""
    return model.answered.get(("redeem", hold.body["project"], hold.body["requestId"]))


def is_redeemed(model: Model, hold: Hold) -> bool:
    """This function will tell whether what was held was redeemed: its body, of its voucher, by its code."""
    body, answer = answered_under_its_id(model, hold) or ({}, {})
    granted = [each for each in model.discounts if each.id == answer.get("discount")]
    return body == hold.body and [(each.voucher, each.code) for each in granted] == [(hold.voucher.id, hold.code)]


def released(hold: Hold, *, at: datetime) -> Json:
    """This function will refuse to confirm what was released."""
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


def replace_holds(holds: list[Hold]) -> None:
    """This function will have holds make way for their customer."""
    for each in holds:
        each.status = "replaced"
