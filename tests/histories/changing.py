"""The model of random histories: `discounts.move` and `discounts.extend`."""

from datetime import datetime

from tests.histories.combining import clash
from tests.histories.discounting import Discount
from tests.histories.ending import shown_discount
from tests.histories.entities import Json, written
from tests.histories.model import Model
from tests.histories.phases import duration_of
from tests.histories.refusals import RUNNING_MAX
from tests.histories.running_again import held_for, place_of, run_if_there_is_room, terms_held_for

DURATIONS = {"months": "durationInMonths", "cycles": "durationInCycles"}
DURATION_MAX = 999


def find(model: Model, body: Json) -> Discount | None:
    """Return the discount that a request names, or None."""
    named = (body["project"], body["discount"])
    return next((each for each in model.discounts if (each.project, each.id) == named), None)


def move(model: Model, body: Json, *, at: datetime) -> Json:
    """Answer `discounts.move`."""
    discount, key = find(model, body), ("move", body["project"], body["requestId"])
    if discount is None:
        return {"notFound": "discount"}
    stored = model.replay(key, body=body, conflict=refused(body))
    if stored is not None:
        return stored
    if discount.subscription == body["subscription"]:
        return model.remember(key, body=body, answer=shown_discount(discount), at=model.now)
    reason = move_refusal(model, discount, body=body, at=at)
    if reason == "fully_reserved":
        return {**refused(body), "reason": reason, "retryable": True}
    if reason is not None:
        return model.remember(key, body=body, answer={**refused(body), "reason": reason}, at=model.now)
    note_change(
        discount,
        body,
        kind="moved",
        states=({"subscription": discount.subscription}, {"subscription": body["subscription"]}),
        at=at,
    )
    discount.subscription = body["subscription"]
    discount.stays_completed = discount.is_completed = discount.has_completed_at = False
    return model.remember(key, body=body, answer=shown_discount(discount), at=at)


def move_refusal(model: Model, discount: Discount, *, body: Json, at: datetime) -> str | None:
    """Return the first reason that is true, in the contract's order, or None."""
    if discount.ended_at is not None:
        return "discount_ended"
    if discount.is_over_by(at.date()):
        return "discount_completed"
    place = {"project": body["project"], "subscription": body["subscription"]}
    model.complete(model.granted_to(place), at=at)
    running, held = model.running_on(place, at=at), terms_held_for(model, place, at=at)
    rows = {
        "already_applied": discount.voucher in [each.voucher for each in running],
        "not_combinable": clash(discount.terms, [each.terms for each in running]),
        "discount_limit_reached": len(running) >= RUNNING_MAX,
        "fully_reserved": discount.voucher in held_for(model, place, at=at) or clash(discount.terms, held),
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)


def extend(model: Model, body: Json, *, at: datetime) -> Json:
    """Answer `discounts.extend`."""
    discount, key = find(model, body), ("extend", body["project"], body["requestId"])
    if discount is None:
        return {"notFound": "discount"}
    stored = model.replay(key, body=body, conflict=refused(body))
    if stored is not None:
        return stored
    (unit,) = DURATIONS.keys() & body.keys()
    recurrence, name = discount.terms["recurrence"], DURATIONS[unit]
    before = duration_of(recurrence, name)
    if before is None or before + body[unit] > DURATION_MAX:
        return {"invalid": [unit]}
    if discount.ended_at is not None or discount.is_used_up():
        reason = "discount_ended" if discount.ended_at is not None else "discount_completed"
        return model.remember(key, body=body, answer={**refused(body), "reason": reason}, at=model.now)
    was_running = discount.runs_by(at.date())
    # The last phase is longer then.
    (recurrence.get("phases") or [recurrence])[-1][name] += body[unit]
    note_change(discount, body, kind="extended", states=({name: before}, {name: before + body[unit]}), at=at)
    if not was_running:
        if not discount.is_over_by(at.date()):
            others = [each for each in model.granted_to(place_of(discount)) if each is not discount]
            model.complete(others, at=at)
        run_if_there_is_room(model, discount, without=[], at=at)
    return model.remember(key, body=body, answer=shown_discount(discount), at=at)


def note_change(discount: Discount, body: Json, *, kind: str, states: tuple[Json, Json], at: datetime) -> None:
    """Add a change to the history of a discount."""
    before, after = states
    change = {"kind": kind, "actor": body.get("actor"), "note": body.get("note")}
    discount.history.insert(0, {**change, "from": before, "to": after, "at": written(at)})
    discount.has_updated_at = True


def refused(body: Json) -> Json:
    """Return the fields of every refusal, to which the reason is added."""
    names = ("project", "requestId")
    return {"object": "discount", **{name: body[name] for name in names}, "outcome": "refused", "retryable": False}
