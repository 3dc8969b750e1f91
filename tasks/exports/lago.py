"""Exports of Lago: coupons, applied coupons and subscriptions (https://getlago.com/docs/api-reference).

A fixed `once` coupon is a balance in Lago: what an invoice leaves of it is taken off the next. A `recurring` coupon
counts billing periods. An applied coupon belongs to a customer, so it goes to the customer's only active subscription
in the export, or else to a subscription that has the customer's id.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from domain.code_text import look_up_text
from domain.imported_history import ImportedHistory
from tasks.exports.discounts import RunningDiscount, decide_discounts
from tasks.exports.lago_messages import LagoAppliedCoupon, LagoCoupon, LagoTerms
from tasks.exports.lines import Line, id_of, invalid, skipped
from tasks.exports.system import Kind, Scope, System
from tasks.exports.vouchers import decide_vouchers
from tasks.vouchers.create import NewVoucher, create_vouchers
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer, day, instant, percentage
from tasks.wire.errors import InvalidRequest
from tasks.wire.parsing import parse

COUPON, APPLIED_COUPON, SUBSCRIPTION = "coupon", "applied_coupon", "subscription"
WITHOUT_CODE = "without a code: its code cannot be one here"
ENDED = "was terminated there before it was used up"
READ_ONLY = "is read to find the subscription of its customer"
ONE_DAY = timedelta(days=1)
# One active subscription is enough, two are too many. A customer may have ended many.
SUBSCRIPTIONS_MAX = 1_000


def _delivery(key: str) -> str:
    return f"lago.coupons.import:{key}"


def _import_coupons(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    def new(body: Any) -> NewVoucher:
        coupon = parse(LagoCoupon, {**body, "project": scope.project})
        # A coupon does not say how often it was applied. All applications in the export find their places.
        redemptions = scope.staging.count(APPLIED_COUPON, parent=coupon.lago_id)
        return _new(coupon, coupon, delivery=_delivery(coupon.lago_id), redemptions=redemptions)

    def note(body: Any) -> str:
        return "" if look_up_text(id_of(body, "code")) is not None else WITHOUT_CODE

    return decide_vouchers(session, bodies, object_=COUPON, new=new, note=note, id_name="lago_id")


def _new(
    coupon: LagoCoupon,
    terms: LagoTerms,
    *,
    delivery: str,
    redemptions: int = 0,
    is_hidden: bool = False,
) -> NewVoucher:
    voucher = _voucher(coupon, terms)
    if is_hidden:
        # Only those get it who have it, whatever has become of the coupon.
        voucher |= {"code": None, "restrictions": {**voucher["restrictions"], "expiresAt": None}}
    ours = parse(CreateVoucher, voucher)
    is_withdrawn = coupon.terminated_at is not None
    return NewVoucher(
        request=ours,
        delivery=delivery,
        history=ImportedHistory(redemptions=redemptions, is_withdrawn=is_withdrawn and not is_hidden),
        body_fingerprint=ours.fingerprint(),
    )


def _voucher(coupon: LagoCoupon, terms: LagoTerms) -> Answer:
    is_fixed = terms.amount_cents is not None
    is_balance = is_fixed and terms.frequency == "once"
    products = [
        *((coupon.plan_codes or []) if coupon.limited_plans else []),
        *((coupon.billable_metric_codes or []) if coupon.limited_billable_metrics else []),
    ]
    return {
        "project": coupon.project,
        "name": coupon.name,
        "code": coupon.code if look_up_text(coupon.code) is not None else None,
        "priceDiscount": {"amount": terms.amount_cents, "currency": terms.amount_currency} if is_fixed else None,
        "priceDiscountPercentage": percentage(terms.percentage_rate),
        "recurrence": _recurrence(terms, is_balance=is_balance),
        "carryOver": is_balance,
        "restrictions": {
            "expiresAt": instant(coupon.expiration_at) if coupon.expiration == "time_limit" else None,
            "maximumRedemptionsPerCustomer": None if coupon.reusable else 1,
            "products": products or None,
        },
    }


def _recurrence(terms: LagoTerms, *, is_balance: bool) -> Answer:
    if terms.frequency == "recurring":
        return {"type": "repeating", "durationInCycles": terms.frequency_duration}
    return {"type": "forever" if is_balance else terms.frequency}


def _import_applied(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    coupons = scope.staging.find(COUPON, [id_of(body, "lago_coupon_id") for body in bodies])
    own = dict[str, NewVoucher]()
    found = [[_applied(body, coupons, scope, own=own)] for body in bodies]
    create_vouchers(session, list(own.values()))
    return decide_discounts(session, found, scope)


def _applied(
    body: Any, coupons: Mapping[str, Any], scope: Scope, *, own: dict[str, NewVoucher]
) -> RunningDiscount | Line:
    """Return the discount, or a line about it. If it has terms of its own, their voucher is added to `own`."""
    id_ = id_of(body, "lago_id")
    try:
        applied = parse(LagoAppliedCoupon, {**body, "project": scope.project})
        delivery = _delivery(applied.lago_coupon_id)
        if (listed := coupons.get(applied.lago_coupon_id)) is not None:
            coupon = parse(LagoCoupon, {**listed, "project": scope.project})
            if _terms(coupon) != _terms(applied):
                delivery += f":{sha256(json.dumps(_terms(applied)).encode()).hexdigest()}"
                own.setdefault(delivery, _new(coupon, applied, delivery=delivery, is_hidden=True))
    except InvalidRequest as error:
        return invalid(APPLIED_COUPON, id_, error)
    had = _had(applied)
    if applied.status == "terminated" and not had.is_over:
        return skipped(APPLIED_COUPON, id_, ENDED)
    request = {
        "ref": id_,
        "customer": applied.external_customer_id,
        "subscription": _subscription_of(applied.external_customer_id, scope=scope),
        "redeemedAt": instant(applied.created_at),
        **had.fields,
    }
    return RunningDiscount(object=APPLIED_COUPON, id=id_, delivery=delivery, body=request)


class _Had(NamedTuple):
    """The fields of `discounts.import` for the past of an applied coupon, and whether nothing is left of it."""

    fields: Answer
    is_over: bool


def _had(applied: LagoAppliedCoupon) -> _Had:
    if applied.frequency == "recurring" and applied.frequency_duration is not None:
        left = applied.frequency_duration_remaining or 0
        return _Had(_cycles(applied, count=applied.frequency_duration - left), is_over=not left)
    if applied.frequency == "forever":
        return _Had({}, is_over=False)
    if applied.amount_cents is None or applied.amount_currency is None:
        is_over = applied.status == "terminated"
        return _Had(_cycles(applied, count=int(is_over)), is_over=is_over)
    rest = applied.amount_cents_remaining
    taken = 0 if rest is None else applied.amount_cents - rest
    if taken <= 0:
        return _Had({}, is_over=False)
    return _Had({**_cycles(applied, count=1), "taken": {applied.amount_currency: taken}}, is_over=not rest)


def _cycles(applied: LagoAppliedCoupon, *, count: int) -> Answer:
    """Return the fields for so many cycles. Lago does not say when they were, so the first days stand for them."""
    if not count:
        return {}
    first = applied.created_at.date()
    last = first + ONE_DAY * (count - 1)
    return {
        "firstCycleStart": day(first),
        "cycles": count,
        "lastCycle": {"start": day(last), "end": day(last + ONE_DAY)},
    }


def _terms(terms: LagoTerms) -> list[Any]:
    names = ("amount_cents", "amount_currency", "percentage_rate", "frequency", "frequency_duration")
    return [getattr(terms, name) for name in names]


def _subscription_of(customer: str, *, scope: Scope) -> str:
    theirs = scope.staging.of_parent(SUBSCRIPTION, parent=customer, limit=SUBSCRIPTIONS_MAX)
    active = {id_of(each, "external_id") for each in theirs if each.get("status", "active") == "active"}
    return active.pop() if len(active) == 1 else customer


def _read_subscriptions(_session: Session, bodies: Sequence[Any], _scope: Scope) -> list[list[Line]]:
    return [[skipped(SUBSCRIPTION, id_of(body, "external_id"), READ_ONLY)] for body in bodies]


def _opened(body: Any) -> Any:
    """Return a record without the object that Lago puts around a single one."""
    if isinstance(body, dict) and len(body) == 1:
        (name, inner), *_ = body.items()
        return inner if name in {COUPON, APPLIED_COUPON, SUBSCRIPTION} else body
    return body


def _kind_of(body: Any) -> str | None:
    if "coupon_type" in body:
        return COUPON
    if "lago_coupon_id" in body:
        return APPLIED_COUPON
    return SUBSCRIPTION if "plan_code" in body and "external_id" in body else None


LAGO = System(
    kinds=(
        Kind(name=COUPON, decide=_import_coupons, batch_size=100, key_of=lambda body: id_of(body, "lago_id")),
        Kind(
            name=APPLIED_COUPON,
            decide=_import_applied,
            batch_size=500,
            key_of=lambda body: id_of(body, "lago_id"),
            parent_of=lambda body: id_of(body, "lago_coupon_id"),
            vouchers_of=lambda body: [id_of(body, "lago_coupon_id")],
        ),
        Kind(
            name=SUBSCRIPTION,
            decide=_read_subscriptions,
            batch_size=1_000,
            key_of=lambda body: id_of(body, "lago_id"),
            parent_of=lambda body: id_of(body, "external_customer_id"),
        ),
    ),
    kind_of=_kind_of,
    delivery_of=_delivery,
    opened=_opened,
)
