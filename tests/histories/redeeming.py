"""The model of random histories: `redemptions.redeem`."""

from copy import deepcopy
from datetime import UTC, datetime

from tests.histories.combining import terms_beside
from tests.histories.discounting import Discount
from tests.histories.entities import Code, Json, Voucher, written
from tests.histories.hold_rules import (
    DECIDED_WITH_THE_HOLD,
    hold_confirmed_by,
    holds_to_replace,
    lapse_near_holds,
    replace_holds,
)
from tests.histories.model import Model
from tests.histories.refusals import refusal

NOTHING = dict.fromkeys(("id", "voucher", "code", "discount", "redemptionNumber"))
IDENTITY = ("project", "requestId", "customer", "subscription")


def redeem(
    model: Model,
    body: Json,
    *,
    id: str | None,  # noqa: A002 - the field's name
    at: datetime,
    card_is_full: bool = False,
    named: tuple[Voucher, Code | None] | None = None,
) -> Json:
    """Answer `redemptions.redeem`. A full stamp card and a hold are decided by the same rules.

    A hold comes with voucher and code in `named`. The decisions of an open hold under the request id still apply.
    """
    head = {"object": "redemption", "decidedAt": written(at), **{name: body[name] for name in IDENTITY}}
    head["retryable"] = False
    key, (voucher, code) = ("redeem", body["project"], body["requestId"]), named or model.named(body)
    model.complete(model.granted_to(body), at=at)
    lapse_near_holds(model.holds, voucher=voucher, body=body, at=at)
    stored = model.replay(key, body=body, conflict={**head, **NOTHING})
    if stored is not None:
        return stored
    own = hold_confirmed_by(body, model.holds, voucher=voucher, code=code, at=at)
    waived = DECIDED_WITH_THE_HOLD if own else ()
    running = model.running_on(body, at=at)
    beside = terms_beside(model.holds, running=running, voucher=voucher, body=body, at=at)
    options: Json = {"card_is_full": card_is_full, "waived": waived, "beside": beside}
    reason = refusal(voucher, code, body=body, running=running, at=at, **options)
    answer = {**head, **NOTHING, "id": id, "outcome": "refused", "reason": reason, "code": body.get("code")}
    if voucher is not None:
        answer |= {"voucher": voucher.id, "code": code.text if code else voucher.body.get("code")}
        answer["discount"] = other_discount(voucher, body, reason=reason, at=at)
    if voucher is not None and reason is None:
        replaced = holds_to_replace(model.holds, voucher=voucher, code=code, body=body, at=at, own=own)
        if replaced is None:
            model.move_on(at)
            return {**answer, "id": None, "reason": "fully_reserved", "retryable": True}
        replace_holds(replaced)
    if own is not None:
        own.status = "released" if reason else "confirmed"
    assert id is not None
    assert id not in [answer.get("id") for _, answer in model.answered.values()]
    if voucher is not None and reason is None:
        answer |= grant(model, voucher, code, body=body, redemption=id, at=at)
    return model.remember(key, body=body, answer=answer, at=at)


# No other place can be had, but the discount elsewhere can be moved.
NO_PLACE_LEFT = {
    *("voucher_retired", "code_retired", "voucher_expired", "code_expired"),
    *("max_redemptions_reached", "code_max_redemptions_reached", "customer_limit_reached"),
    "code_customer_limit_reached",
}


def other_discount(voucher: Voucher, body: Json, *, reason: str | None, at: datetime) -> str | None:
    """Return the customer's newest discount of the voucher elsewhere that has something left, if the refusal names it.

    A completed discount that has a total is not named.
    """
    others = [
        each.id
        for each in voucher.granted
        if each.customer == body["customer"]
        and each.subscription != body["subscription"]
        and each.ended_at is None
        and not each.is_over_by(at.date())
        and not (each.is_completed and each.total)
    ]
    return others[-1] if others and reason in NO_PLACE_LEFT else None


def grant(model: Model, voucher: Voucher, code: Code | None, *, body: Json, redemption: str, at: datetime) -> Json:
    """Take a place, create the discount with the current terms, and return the fields of an accepted answer."""
    voucher.redeemed_by.append(body["customer"])
    if voucher.places_taken() == voucher.restriction("maximumRedemptions") and voucher.retired is None:
        voucher.retired = "maxRedemptionsReached", at
    if code is not None:
        code.redemptions += 1
        if code.redemptions == code.limits.get("maximumRedemptions") and code.retired is None:
            code.retired = "maxRedemptionsReached", at
    requested_at = datetime.fromisoformat(body["requestedAt"]) if "requestedAt" in body else at
    given = datetime.fromisoformat(body["startsOn"]).date() if "startsOn" in body else None
    discount = Discount(
        # A redemption and its discount have the same id under two prefixes.
        id="dis_" + redemption.removeprefix("red_"),
        voucher=voucher.id,
        project=body["project"],
        customer=body["customer"],
        subscription=body["subscription"],
        created_at=at,
        terms=deepcopy(voucher.body),
        code=code,
        starts_on=given or requested_at.date(),
        starts_on_in_utc=given or requested_at.astimezone(UTC).date(),
        siblings=voucher.granted,
        current=lambda: voucher.body,
    )
    voucher.granted.append(discount)
    model.discounts.append(discount)
    return {"outcome": "accepted", "discount": discount.id, "redemptionNumber": len(voucher.redeemed_by)}
