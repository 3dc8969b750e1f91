"""The model of random histories: `discounts.import`. No voucher comes from elsewhere, so all places are new."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from tests.histories.calendar import months_after
from tests.histories.combining import clash
from tests.histories.discounting import Discount, Elsewhere, amounts_of
from tests.histories.entities import Json, Voucher, written
from tests.histories.model import Model
from tests.histories.refusals import RUNNING_MAX
from tests.histories.running_again import held_for, terms_held_for

PLACE = ("project", "subscription")
SENT = ("project", "ref", "voucher", "customer", "subscription")
NOTHING = ("discount", "redemptionNumber", "status", "fullPriceFrom", "importedAt")


def import_discount(model: Model, body: Json, *, id: str | None, at: datetime) -> Json:  # noqa: A002 - the field's name
    """Answer `discounts.import`."""
    head: Json = {"object": "discountImport", **{name: body[name] for name in SENT}, "reason": None, "retryable": False}
    head |= dict.fromkeys(NOTHING)
    key = ("import", body["project"], body["ref"])
    stored = model.replay(key, body=body, conflict=head)
    if stored is not None:
        return stored
    voucher = model.voucher(body["project"], body["voucher"])
    if voucher is None:
        return {**head, "outcome": "refused", "reason": "voucher_not_found"}
    discount = begun(voucher, body, at=at)
    invalid = ruled_out(discount, body=body)
    if invalid:
        return {"invalid": invalid}
    reason = refusal(model, voucher, discount, body=body, at=at)
    if reason is not None:
        return {**head, "outcome": "refused", "reason": reason, "retryable": reason == "fully_reserved"}
    assert id is not None
    discount.id = id
    discount.is_completed = discount.has_completed_at = discount.is_over_by(at.date())
    voucher.redeemed_by.append(body["customer"])
    if voucher.places_taken() == voucher.restriction("maximumRedemptions") and voucher.retired is None:
        voucher.retired = "maxRedemptionsReached", at
    voucher.granted.append(discount)
    model.discounts.append(discount)
    ends_on = discount.ends_on()
    answer = {
        **head,
        "outcome": "imported",
        "discount": id,
        "redemptionNumber": len(voucher.redeemed_by),
        "status": "completed" if discount.is_completed else "running",
        "fullPriceFrom": ends_on and ends_on.isoformat(),
        "importedAt": written(at),
    }
    return model.remember(key, body=body, answer=answer, at=at)


def begun(voucher: Voucher, body: Json, *, at: datetime) -> Discount:
    """Return the discount of a request, with the voucher's current terms."""
    redeemed_at = datetime.fromisoformat(body["redeemedAt"])
    given = date.fromisoformat(body["startsOn"]) if "startsOn" in body else None
    had = body.get("cycles", 0)
    first = date.fromisoformat(body["firstCycleStart"]) if had else None
    return Discount(
        id="",
        voucher=voucher.id,
        project=body["project"],
        customer=body["customer"],
        subscription=body["subscription"],
        created_at=redeemed_at,
        terms=deepcopy(voucher.body),
        starts_on=given or redeemed_at.date(),
        starts_on_in_utc=given or redeemed_at.astimezone(UTC).date(),
        siblings=voucher.granted,
        current=lambda: voucher.body,
        elsewhere=Elsewhere(
            ref=body["ref"],
            actor=body.get("actor"),
            at=at,
            subscription=body["subscription"],
            # Nobody knows when those between the first and the last began: on any days between these two.
            starts=frozenset(
                {first + timedelta(number) for number in range(had - 1)}
                | {date.fromisoformat(body["lastCycle"]["start"])}
                if first
                else ()
            ),
            last_end=date.fromisoformat(body["lastCycle"]["end"]) if had else None,
            taken=body.get("taken", {}),
        ),
    )


def ruled_out(discount: Discount, *, body: Json) -> list[str]:
    """Return the fields that cannot be true of a discount of the voucher."""
    elsewhere, recurrence = discount.elsewhere, discount.terms["recurrence"]
    assert elsewhere is not None
    most = 1 if recurrence["type"] == "once" else recurrence.get("durationInCycles")
    months, total = recurrence.get("durationInMonths"), discount.total
    rows = {
        "cycles": most is not None and len(elsewhere.starts) > most,
        "lastCycle.start": months is not None
        and bool(elsewhere.starts)
        and max(elsewhere.starts) >= months_after(min(elsewhere.starts), months),
        "taken": bool(total)
        and body.get("taken", {}).keys() <= total.keys()
        and sum(Fraction(each, total[currency]) for currency, each in body.get("taken", {}).items()) > 1,
    }
    return [field for field, is_so in rows.items() if is_so]


def refusal(model: Model, voucher: Voucher, discount: Discount, *, body: Json, at: datetime) -> str | None:
    """Return the first reason that is true, in the contract's order, or None."""
    model.complete(model.granted_to(body), at=at)
    running = model.running_on(body, at=at)
    maximum, budget = voucher.restriction("maximumRedemptions"), discount.budget_left()
    caps = [each for each in (amounts_of(voucher.body), discount.total, discount.maximum(), budget) if each]
    held = [
        each for each in model.holds if each.voucher is voucher and each.status == "open" and not each.has_lapsed(at)
    ]
    # Whatever is over runs on no subscription.
    would_run = not discount.is_over_by(at.date())
    taken = body.get("taken", {})
    place = {name: body[name] for name in PLACE}
    beside, kept = [each.terms for each in running], terms_held_for(model, place, at=at)
    rows = {
        "voucher_retired": voucher.retired is not None and voucher.retired[0] == "manualAction",
        "voucher_expired": voucher.has_expired(at),
        "max_redemptions_reached": maximum is not None and voucher.places_taken() >= maximum,
        "already_applied": would_run and voucher.id in [each.voucher for each in running],
        "currency_mismatch": any(currency not in each for currency in taken for each in caps),
        "budget_spent": bool(budget) and any(amount > budget.get(each, amount) for each, amount in taken.items()),
        "not_combinable": would_run and clash(voucher.body, beside),
        "discount_limit_reached": would_run and len(running) >= RUNNING_MAX,
        "fully_reserved": (maximum is not None and voucher.places_taken() + len(held) >= maximum)
        or (would_run and (voucher.id in held_for(model, place, at=at) or clash(voucher.body, kept))),
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)
