"""The vouchers of promotion codes with restrictions that a code cannot have: a minimum amount, or first purchases only.

Such a voucher has the terms of the coupon's voucher. It cannot share the coupon's number of redemptions or budget, so
a coupon that has either is refused.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from domain.imported_history import ImportedHistory
from domain.terms import RetiredReason
from models.vouchers.row_types import VoucherRow
from tasks.foreign.stripe_amounts import NoSuchAmountError, amount_here
from tasks.foreign.stripe_promotion_messages import PromotionCode
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.create import NewVoucher, create_vouchers
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import uuid_of
from tasks.wire.parsing import parse

FIELD = "promotion_code.restrictions"
SHARED = "needs a voucher of its own, which cannot share the maximumRedemptions or the budget of the coupon's voucher"
HAS_MINIMUM = "needs a voucher of its own, and the coupon's voucher has a minimumSubtotal already"
# The fields of a voucher that its terms do not consist of.
LEFT_OUT = (
    *(
        "object",
        "id",
        "createdAt",
        "updatedAt",
        "code",
        "redemptions",
        "status",
        "retiredReason",
        "retiredAt",
        "budget",
    ),
)


def needs_own_voucher(promotion: PromotionCode) -> bool:
    """Return whether a promotion code has a restriction that a code cannot have."""
    restrictions = promotion.restrictions
    return restrictions.first_time_transaction or bool(restrictions.minimum_amount)


def add_restricted_vouchers(
    session: Session, promotions: Iterable[PromotionCode], *, coupons: Mapping[str, VoucherRow]
) -> dict[str, UUID | InvalidRequest]:
    """Return the voucher of each restricted promotion code, or why there is none, by the promotion code's id.

    `coupons` has the voucher of its coupon by the same id. Codes with the same coupon and restrictions share a voucher,
    in every import.
    """
    result = dict[str, UUID | InvalidRequest]()
    bodies = dict[str, tuple[Answer, VoucherRow, list[str]]]()
    for each in promotions:
        try:
            body = _body(each, coupon=coupons[each.id])
        except InvalidRequest as error:
            result[each.id] = error
            continue
        bodies.setdefault(_delivery(body, coupon=coupons[each.id]), (body, coupons[each.id], []))[2].append(each.id)
    # All transactions add them in the same order, so that two of them never deadlock.
    in_order = sorted(bodies.items(), key=lambda item: item[0])
    created = create_vouchers(session, [_new(delivery, body, coupon) for delivery, (body, coupon, _) in in_order])
    for answer, (_, (_, _, ids)) in zip(created, in_order, strict=True):
        result |= dict.fromkeys(ids, answer if isinstance(answer, InvalidRequest) else uuid_of(answer["id"]))
    return result


def _new(delivery: str, body: Answer, coupon: VoucherRow) -> NewVoucher:
    return NewVoucher(
        request=parse(CreateVoucher, body),
        delivery=delivery,
        history=ImportedHistory(redemptions=0, is_withdrawn=coupon.retired_reason in _WITHDRAWN),
        # What the delivery id names is the body, and the coupon's voucher may have other terms by now.
        body_fingerprint=sha256(delivery.encode()).digest(),
    )


_WITHDRAWN = {RetiredReason.MANUAL_ACTION.value, RetiredReason.UNKNOWN.value}


def _body(promotion: PromotionCode, *, coupon: VoucherRow) -> Answer:
    if coupon.maximum_redemptions is not None or coupon.budget_minor is not None:
        raise InvalidRequest([{"field": FIELD, "message": SHARED}])
    shown, minimum = voucher_answer(coupon), _minimum(promotion)
    own = shown["restrictions"]
    if minimum is not None and own["minimumSubtotal"] is not None:
        raise InvalidRequest([{"field": FIELD, "message": HAS_MINIMUM}])
    restrictions = own | {
        "firstPurchaseOnly": own["firstPurchaseOnly"] or promotion.restrictions.first_time_transaction,
        "minimumSubtotal": minimum or own["minimumSubtotal"],
    }
    return {name: value for name, value in shown.items() if name not in LEFT_OUT} | {"restrictions": restrictions}


def _minimum(promotion: PromotionCode) -> Answer | None:
    amount, currency = promotion.restrictions.minimum_amount, promotion.restrictions.minimum_amount_currency
    if not amount or currency is None:
        return None
    try:
        return {"amount": amount_here(amount, currency=currency), "currency": currency}
    except NoSuchAmountError as error:
        raise InvalidRequest([{"field": f"{FIELD}.minimum_amount", "message": str(error)}]) from None


def _delivery(body: Answer, *, coupon: VoucherRow) -> str:
    restrictions = body["restrictions"]
    own = [str(coupon.id), restrictions["firstPurchaseOnly"], restrictions["minimumSubtotal"]]
    return f"stripe.promotion_codes.import:{sha256(json.dumps(own).encode()).hexdigest()}"
