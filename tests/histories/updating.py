"""The model of random histories: `vouchers.update`, with the changes that are allowed and the voucher afterwards."""

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime

from tests.histories.discounting import amounts_of, given_by, minimum_of_invoices, named
from tests.histories.entities import End, Json, Voucher, shown_amounts
from tests.histories.hold_rules import open_holds
from tests.histories.model import Model
from tests.histories.phases import phases_of, shown_recurrence

KINDS_OF_PRICE = ("priceDiscount", "priceDiscountPercentage")
NOT_CHANGED = ("project", "voucher", "requestId")


def update(model: Model, body: Json, *, at: datetime) -> Json:
    """Answer `vouchers.update`."""
    key = ("update", body["project"], body["requestId"])
    head = {"object": "voucher", "id": body["voucher"], "project": body["project"], "requestId": body["requestId"]}
    stored = model.replay(key, body=body, conflict=head)
    if stored is not None:
        return stored
    voucher = model.voucher(body["project"], body["voucher"])
    if voucher is None:
        return {"notFound": "voucher"}
    sent = {name: value for name, value in body.items() if name not in NOT_CHANGED}
    changed = changed_body(voucher.body, sent=sent)
    held = len(open_holds(model.holds, voucher=voucher, at=at))
    invalid = wrong_fields(voucher, changed=changed, sent=sent, held=held)
    if invalid:
        return {"invalid": invalid}
    why = why_refused(voucher, changed=changed, held=held)
    if why is not None:
        return model.remember(key, body=body, answer={**head, **why}, at=at)
    after = Voucher(**{**vars(voucher), "body": changed})
    after.retired = retired_after(after, at=at)
    if not model.codes.follow(after, before=voucher, at=at):
        return {"invalid": ["code"]}
    voucher.body, voucher.retired, voucher.updated_at = after.body, after.retired, at
    return model.remember(key, body=body, answer=model.shown(voucher), at=at)


ALREADY_REDEEMED = {"outcome": "refused", "reason": "voucher_already_redeemed"}
HELD = {"outcome": "refused", "reason": "voucher_held"}


def why_refused(voucher: Voucher, *, changed: Json, held: int) -> Json | None:
    """Return the refusal of a change that is not allowed now, or None."""
    is_promise_changed = promise_of(changed) != promise_of(voucher.body)
    if voucher.redeemed_by and is_promise_changed:
        return ALREADY_REDEEMED
    is_copy_changed = copied_of(changed) != copied_of(voucher.body)
    return HELD if held and (is_promise_changed or is_copy_changed) else None


def products_of(body: Json) -> list[set[str]]:
    """Return the products of a voucher, none of which means all products, and those that it excludes."""
    restrictions = body.get("restrictions", {})
    return [set(restrictions.get(name) or ()) for name in ("products", "excludedProducts")]


def copied_of(body: Json) -> tuple[list[set[str]], Json | None]:
    """Return what a discount copies of the restrictions: the products, and the amount that each invoice must reach."""
    return products_of(body), minimum_of_invoices(body)


def changed_body(before: Json, *, sent: Json) -> Json:
    """Return the body with the changes: null removes a field, and other fields stay."""
    after = {**deepcopy(before), **sent}
    for kind, other in (KINDS_OF_PRICE, KINDS_OF_PRICE[::-1]):
        if sent.get(kind) is not None:
            after.pop(other, None)
    if sent.get("recurrence", {}).get("phases"):
        after |= {kind: sent.get(kind) for kind in KINDS_OF_PRICE}
    after["restrictions"] = {**before.get("restrictions", {}), **sent.get("restrictions", {})}
    after["restrictions"] = {name: value for name, value in after["restrictions"].items() if value is not None}
    return {name: value for name, value in after.items() if value is not None}


def wrong_fields(voucher: Voucher, *, changed: Json, sent: Json, held: int) -> list[str]:
    """Return the fields that make no sense. Of two fields that contradict each other, the sent field is named."""
    after, restrictions = Voucher(**{**vars(voucher), "body": changed}), sent.get("restrictions", {})
    starts_at, expires_at = after.instant("startsAt"), after.instant("expiresAt")
    maximum = restrictions.get("maximumRedemptions")
    prices = [kind for kind in KINDS_OF_PRICE if kind in changed]
    of_window = "restrictions.expiresAt" if "expiresAt" in restrictions else "restrictions.startsAt"
    of_products = "restrictions.excludedProducts" if "excludedProducts" in restrictions else "restrictions.products"
    rows = [
        ("restrictions.maximumRedemptions", maximum is not None and maximum < voucher.places_taken() + held),
        (sent_of(KINDS_OF_PRICE[::-1], sent=sent), not prices and not phases_of(changed)),
        ("recurrence" if "recurrence" in sent else "".join(prices), bool(prices and phases_of(changed))),
        *balance_without_sense(changed, sent=sent),
        *two_totals(changed, sent=sent),
        *budget_below_spent(voucher, sent=sent),
        (of_products, bool(set.intersection(*products_of(changed)))),
        (of_window, starts_at is not None and expires_at is not None and starts_at >= expires_at),
    ]
    return [field for field, is_wrong in rows if is_wrong]


def sent_of(fields: Sequence[str], *, sent: Json) -> str:
    """Return the first of the fields that was sent, or the recurrence, in which the phases would be."""
    return next((each for each in fields if each in sent), "recurrence")


def budget_below_spent(voucher: Voucher, *, sent: Json) -> list[tuple[str, bool]]:
    """Return each amount of a budget, and whether it is less than the discounts so far."""
    before, after = named(voucher.body.get("budget")), named(sent.get("budget"))
    fields = {
        each: "budget.amount" if each == sent["budget"]["currency"] else f"budget.currencyOptions.{each}"
        for each in after
    }
    return [
        (fields[each], each in before and amount < given_by(voucher.granted, each)) for each, amount in after.items()
    ]


def two_totals(changed: Json, *, sent: Json) -> list[tuple[str, bool]]:
    """Return the field that gives a proper balance a maximum in all, or a voucher with such a maximum a balance."""
    has_both = changed.get("carryOver", False) and "maximumDiscountInAll" in changed
    is_proper = "priceDiscount" in changed and changed["recurrence"]["type"] != "once"
    field = "maximumDiscountInAll" if "maximumDiscountInAll" in sent else "carryOver"
    return [(field, has_both and is_proper)]


def balance_without_sense(changed: Json, *, sent: Json) -> list[tuple[str, bool]]:
    """Return the fields that a balance needs, and whether they are wrong: an amount, and more than a single invoice."""
    carries_over, is_once = changed.get("carryOver", False), changed["recurrence"]["type"] == "once"
    has_amount = "priceDiscount" in changed
    if "carryOver" in sent:
        return [("carryOver", carries_over and (is_once or not has_amount))]
    of_price = sent_of(["priceDiscount"] if sent.get("priceDiscount", ...) is None else [], sent=sent)
    if sent.get("priceDiscountPercentage") is not None:
        of_price = "priceDiscountPercentage"
    return [
        (of_price, carries_over and not has_amount),
        ("recurrence", carries_over and has_amount and is_once),
    ]


def promise_of(body: Json) -> Json:
    """Return the fields that are fixed by the first redemption."""
    recurrence = {name: value for name, value in shown_recurrence(body["recurrence"]).items() if value is not None}
    percentage = body.get("priceDiscountPercentage")
    currency = body["priceDiscount"]["currency"] if "priceDiscount" in body else None
    card, budget = body.get("stampCard"), body.get("budget")
    return {
        "recurrence": recurrence,
        "percentage": percentage,
        "amounts": amounts_of(body),
        "currency": currency,
        "carryOver": body.get("carryOver", False),
        "exclusive": body.get("exclusive", False),
        "priority": body.get("priority", 500),
        "stampCard": card and {"expireDays": None, **card},
        "maximumDiscount": shown_amounts(body.get("maximumDiscount")),
        "maximumDiscountInAll": shown_amounts(body.get("maximumDiscountInAll")),
        "budget": (set(named(budget)), budget and budget["currency"]),
    }


def retired_after(voucher: Voucher, *, at: datetime) -> End | None:
    """Return reason and instant of the retirement now, or None. A manual retirement is final."""
    expires_at, maximum = voucher.instant("expiresAt"), voucher.restriction("maximumRedemptions")
    before = voucher.retired
    if before is not None and before[0] == "manualAction":
        return before
    causes: dict[str, datetime] = {}
    if expires_at is not None and expires_at <= at:
        causes["expired"] = expires_at
    if maximum is not None and maximum <= voucher.places_taken():
        causes["maxRedemptionsReached"] = before[1] if before and before[0] == "maxRedemptionsReached" else at
    first = before[0] if before and before[0] in causes else next(iter(causes), None)
    return None if first is None else (first, causes[first])
