"""The model of random histories: the reasons to refuse a redemption."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from tests.histories.combining import clash
from tests.histories.discounting import Discount, amounts_of
from tests.histories.entities import Code, Json, Voucher
from tests.histories.phases import phases_of

REQUESTED_AT_GRACE = timedelta(minutes=15)


RUNNING_MAX = 20


# A code with one of these reasons is judged by end and counter, with or without a sweep.
JUDGED_BY_LIMITS = {"expired", "maxRedemptionsReached"}


def refusal(
    voucher: Voucher | None,
    code: Code | None,
    *,
    body: Json,
    running: list[Discount],
    at: datetime,
    card_is_full: bool = False,
    waived: Collection[str] = (),
    beside: Sequence[Json] = (),
) -> str | None:
    """Return the first reason that is true, in the contract's order, or None.

    `beside` has the terms of all others that run or are held on the subscription.
    The function is longer than 40 lines because it is a table: a row for each reason, in order of precedence.
    """
    if voucher is None:
        return "voucher_not_found"
    requested_at = datetime.fromisoformat(body["requestedAt"]) if "requestedAt" in body else at
    t = requested_at if at - REQUESTED_AT_GRACE <= requested_at <= at else at
    starts_at, minimum = voucher.instant("startsAt"), voucher.restriction("minimumSubtotal")
    maximum, per_customer = (
        voucher.restriction("maximumRedemptions"),
        voucher.restriction("maximumRedemptionsPerCustomer"),
    )
    amounts = [each for each in map(amounts_of, [voucher.body, *phases_of(voucher.body)]) if each]
    own = code.limits if code else {}
    rows = {
        "voucher_retired": voucher.retired is not None and voucher.retired[0] == "manualAction",
        "code_retired": code is not None and code.retired is not None and code.retired[0] not in JUDGED_BY_LIMITS,
        "voucher_not_started": starts_at is not None and t < starts_at,
        "voucher_expired": voucher.has_expired(t),
        "code_expired": code is not None and code.own_end(t) is not None,
        "max_redemptions_reached": maximum is not None and voucher.places_taken() >= maximum,
        "code_max_redemptions_reached": code is not None and code.redemptions == own.get("maximumRedemptions"),
        "code_not_for_customer": own.get("customer", body["customer"]) != body["customer"],
        "customer_limit_reached": per_customer is not None and voucher.places_of(body["customer"]) >= per_customer,
        "code_customer_limit_reached": code is not None
        and code.places_of(body["customer"]) >= own.get("maximumRedemptionsPerCustomer", 999),
        "already_applied": voucher.id in [each.voucher for each in running],
        "stamp_card_incomplete": voucher.body.get("stampCard") is not None and not card_is_full,
        "not_first_purchase": bool(voucher.restriction("firstPurchaseOnly")) and not body.get("isFirstPurchase"),
        "product_not_eligible": has_no_product(voucher, bought=body.get("products", [])),
        "currency_mismatch": any(body.get("currency") not in each for each in amounts),
        "minimum_subtotal_not_met": minimum is not None
        and minimum.get("on") != "invoice"
        and (body.get("currency") != minimum["currency"] or body.get("subtotal", -1) < minimum["amount"]),
        "not_combinable": clash(voucher.body, beside),
        "discount_limit_reached": len(running) >= RUNNING_MAX,
    }
    return next((reason for reason, is_so in rows.items() if is_so and reason not in waived), None)


def has_no_product(voucher: Voucher, *, bought: Collection[str]) -> bool:
    """Return whether a purchase has no product for the voucher. A purchase without products may have any."""
    only, never = voucher.restriction("products"), voucher.restriction("excludedProducts") or []
    if not bought:
        return only is not None
    return not any(each not in never and (only is None or each in only) for each in bought)
