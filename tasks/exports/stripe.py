"""Exports of Stripe: coupons, promotion codes, and subscriptions with their expanded discounts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from domain.code_text import look_up_text
from models.vouchers.look_up import find_created
from tasks.exports.cycles import cycles_had, differs_here, months_between, none_had
from tasks.exports.discounts import RunningDiscount, decide_discounts
from tasks.exports.lines import Line, answered, id_of, invalid, refused, skipped
from tasks.exports.stripe_subscription import billing_of, instant_of, items_of, listed
from tasks.exports.system import Kind, Scope, System
from tasks.exports.vouchers import decide_vouchers
from tasks.foreign.stripe import FIELDS, coupon_delivery, new_voucher
from tasks.foreign.stripe_messages import ImportCoupon
from tasks.foreign.stripe_promotion_codes import import_promotion_codes
from tasks.foreign.stripe_promotion_messages import ImportPromotionCode
from tasks.vouchers.create import NewVoucher
from tasks.wire.answers import instant
from tasks.wire.errors import InvalidRequest
from tasks.wire.parsing import parse

COUPON, PROMOTION_CODE, SUBSCRIPTION, DISCOUNT = "coupon", "promotion_code", "subscription", "discount"
KINDS = {COUPON, PROMOTION_CODE, SUBSCRIPTION}
NOT_RUNNING = {"canceled", "incomplete", "incomplete_expired"}
WITHOUT_CODE = "without a code: its id cannot be one"
NOT_EXPANDED = "is not expanded: fetch subscriptions with expand[]=data.discounts"
OF_THE_CUSTOMER = "is a discount of the customer, and of no subscription"
OF_AN_ITEM = "is a discount of one item of the subscription"
NO_PERIOD = "its subscription has no period that is understood"
NEVER_USED = "ends before the next invoice"
DIFFERS = "its months count from its first period here, and would discount more or fewer"
DELETED = "is in no file but in a discount: retired, and without a code"
OVER = "the subscription is over, or has not begun"
NO_DISCOUNT = "has no discount"


def _import_coupons(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    def new(body: Any) -> NewVoucher:
        beside = {} if _is_code(body) else {"code": None}
        return new_voucher(parse(ImportCoupon, {"project": scope.project, "coupon": body, **beside}))

    def note(body: Any) -> str:
        return "" if _is_code(body) else WITHOUT_CODE

    return decide_vouchers(session, bodies, object_=COUPON, new=new, names=FIELDS, note=note)


def _is_code(coupon: Any) -> bool:
    return look_up_text(id_of(coupon)) is not None


def _import_codes(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    parsed = [_promotion(body, scope=scope) for body in bodies]
    promotions = [each.promotion_code for each in parsed if isinstance(each, ImportPromotionCode)]
    answers = iter(import_promotion_codes(session, promotions, project=scope.project) if promotions else [])
    results = [next(answers) if isinstance(each, ImportPromotionCode) else each for each in parsed]
    return [
        [
            invalid(PROMOTION_CODE, id_of(body), result)
            if isinstance(result, InvalidRequest)
            else answered(PROMOTION_CODE, id_of(body), result)
        ]
        for body, result in zip(bodies, results, strict=True)
    ]


def _promotion(body: Any, *, scope: Scope) -> ImportPromotionCode | InvalidRequest:
    try:
        return parse(ImportPromotionCode, {"project": scope.project, "promotion_code": body})
    except InvalidRequest as error:
        return error


def _import_discounts(session: Session, bodies: Sequence[Any], scope: Scope) -> list[list[Line]]:
    found = [list(_discounts(body)) for body in bodies]
    needed = {each.delivery for lines in found for each in lines if isinstance(each, RunningDiscount)}
    deleted = _import_deleted_coupons(session, bodies, scope, needed=needed)
    decided = decide_discounts(session, found, scope)
    return [[*deleted.get(position, []), *lines] for position, lines in enumerate(decided)]


def _import_deleted_coupons(
    session: Session, bodies: Sequence[Any], scope: Scope, *, needed: set[str]
) -> dict[int, list[Line]]:
    """Import coupons that are only in discounts, and return their lines by the position of the first record of each.

    Stripe lists no coupon that was deleted, and its discounts go on.
    """
    coupons = dict[str, tuple[int, Mapping[str, Any]]]()
    for position, body in enumerate(bodies):
        for each in _embedded_coupons(body):
            if coupon_delivery(id_of(each)) in needed:
                coupons.setdefault(id_of(each), (position, each))
    deliveries = {coupon_delivery(each) for each in coupons}
    there = find_created(session, project=scope.project, delivery_ids=deliveries) if deliveries else {}
    missing = [each for each in coupons if coupon_delivery(each) not in there]
    # A coupon of the files that was not imported has a line with the reason.
    in_files = scope.staging.find(COUPON, missing) if missing else {}
    deleted = [coupons[each] for each in missing if each not in in_files]
    lines = defaultdict[int, list[Line]](list)
    for (position, _), decided in zip(
        deleted, _import_retired(session, [coupon for _, coupon in deleted], scope), strict=True
    ):
        lines[position] += decided
    return lines


def _import_retired(session: Session, coupons: Sequence[Mapping[str, Any]], scope: Scope) -> list[list[Line]]:
    def new(body: Any) -> NewVoucher:
        retired = {**body, "valid": False}
        return new_voucher(parse(ImportCoupon, {"project": scope.project, "coupon": retired, "code": None}))

    return decide_vouchers(session, coupons, object_=COUPON, new=new, note=lambda _body: DELETED)


def _discounts(subscription: Any) -> Iterator[RunningDiscount | Line]:
    """Yield each discount of a subscription, or a line about why it cannot be brought over."""
    id_ = id_of(subscription)
    found = listed(subscription.get("discounts")) or listed([subscription.get("discount")])
    of_items = [each for item in items_of(subscription) for each in listed(item.get("discounts"))]
    of_customer = [] if found else listed([_discount_of_customer(subscription)])
    if not found and not of_items and not of_customer:
        yield skipped(SUBSCRIPTION, id_, NO_DISCOUNT)
    elif subscription.get("status") in NOT_RUNNING:
        yield skipped(SUBSCRIPTION, id_, OVER)
    else:
        for each in found:
            yield (
                _discount(each, subscription=subscription)
                if isinstance(each, Mapping)
                else refused(DISCOUNT, id_of(each), NOT_EXPANDED)
            )
        for each in of_items:
            yield refused(DISCOUNT, id_of(each), OF_AN_ITEM)
        for each in of_customer:
            yield refused(DISCOUNT, id_of(each), OF_THE_CUSTOMER)


def _discount_of_customer(subscription: Any) -> Any:
    """Return the discount of an expanded customer. Stripe applies it to subscriptions without one of their own."""
    customer = subscription.get("customer")
    return customer.get("discount") if isinstance(customer, Mapping) else None


def _discount(discount: Mapping[str, Any], *, subscription: Any) -> RunningDiscount | Line:
    id_, begins, ends = id_of(discount), instant_of(discount.get("start")), instant_of(discount.get("end"))
    billing = billing_of(subscription)
    if billing is None or begins is None:
        return refused(DISCOUNT, id_, NO_PERIOD)
    cycles = cycles_had(billing, begins=begins, ends=ends)
    if "cycles" not in cycles and ends is not None and ends <= billing.end:
        return skipped(DISCOUNT, id_, NEVER_USED)
    first = date.fromisoformat(cycles["firstCycleStart"] if "cycles" in cycles else cycles["startsOn"])
    if ends is not None and differs_here(billing, months=months_between(begins, ends), ends=ends, first=first):
        return refused(DISCOUNT, id_, DIFFERS)
    body = {
        "ref": id_,
        "customer": id_of(subscription.get("customer")),
        "subscription": id_of(subscription),
        "redeemedAt": instant(begins),
    }
    return RunningDiscount(
        object=DISCOUNT,
        id=id_,
        delivery=coupon_delivery(id_of(_coupon_of(discount))),
        body={**body, **cycles},
        # Stripe shows a discount for a single invoice until it is used.
        body_if_once={**body, **none_had(billing)},
    )


def _coupon_of(discount: Mapping[str, Any]) -> Any:
    source = discount.get("source")
    return source.get("coupon") if isinstance(source, Mapping) else discount.get("coupon")


def _embedded_coupons(subscription: Any) -> Iterator[Mapping[str, Any]]:
    for each in listed(subscription.get("discounts")) or listed([subscription.get("discount")]):
        coupon = _coupon_of(each) if isinstance(each, Mapping) else None
        if isinstance(coupon, Mapping):
            yield coupon


def _coupon_of_promotion(body: Any) -> str:
    promotion = body.get("promotion")
    return id_of(promotion.get("coupon") if isinstance(promotion, Mapping) else body.get("coupon"))


def _coupons_of_subscription(body: Any) -> list[str]:
    return [
        id_of(_coupon_of(each))
        for each in [*listed(body.get("discounts")), body.get("discount")]
        if isinstance(each, Mapping)
    ]


STRIPE = System(
    kinds=(
        Kind(name=COUPON, decide=_import_coupons, batch_size=100, key_of=id_of),
        Kind(
            name=PROMOTION_CODE,
            decide=_import_codes,
            batch_size=1_000,
            key_of=id_of,
            vouchers_of=lambda body: [_coupon_of_promotion(body)],
        ),
        Kind(
            name=SUBSCRIPTION,
            decide=_import_discounts,
            batch_size=500,
            key_of=id_of,
            vouchers_of=_coupons_of_subscription,
        ),
    ),
    kind_of=lambda body: body.get("object") if body.get("object") in KINDS else None,
    delivery_of=coupon_delivery,
)
