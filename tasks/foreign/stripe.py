"""Import the coupons of Stripe (https://docs.stripe.com/api/coupons/object) as vouchers.

Fetch them with `expand[]=applies_to` and `expand[]=currency_options`. Otherwise Stripe omits both fields, and the
voucher would apply to all products.
"""

import hashlib
from collections.abc import Iterator

from sqlalchemy.orm import Session

from domain.code_text import look_up_text
from domain.imported_history import ImportedHistory
from tasks.foreign.adapter import fields_named
from tasks.foreign.stripe_amounts import NoSuchAmountError, amount_here
from tasks.foreign.stripe_messages import Coupon, ImportCoupon
from tasks.intake.task import contract_task
from tasks.vouchers.create import NewVoucher, create_new
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer, instant, percentage
from tasks.wire.errors import InvalidRequest
from tasks.wire.parsing import parse
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction

# If the coupon's id is the code.
FIELDS = {"code": "coupon.id"}


@contract_task("stripe.coupons.import", message=ImportCoupon, first_answer=AnswerTable.VOUCHERS)
def import_(request: ImportCoupon) -> Answer:
    """Create a voucher from a coupon, once for each coupon id."""
    return run_in_transaction(lambda session: import_coupon(session, request))


def import_coupon(session: Session, request: ImportCoupon) -> Answer:
    """Create the voucher of a coupon with the redemptions so far, and answer a repeated import with the first answer.

    Another coupon object with the same id is a conflict, as for a request id.
    Raises InvalidRequest if the code is missing, or belongs to another voucher that can still be redeemed.
    """
    voucher = new_voucher(request)
    with fields_named({} if request.code else FIELDS):
        return create_new(session, voucher)


def new_voucher(request: ImportCoupon) -> NewVoucher:
    """Return the voucher of a coupon. Raises InvalidRequest if the code is missing."""
    if request.lacks_code:
        message = "must be given, or be null: the id of the coupon cannot be a code"
        raise InvalidRequest([{"field": "code", "message": message}])
    coupon = request.coupon
    return NewVoucher(
        request=our_voucher(request),
        delivery=coupon_delivery(coupon.id),
        history=ImportedHistory(redemptions=coupon.times_redeemed, is_withdrawn=not coupon.valid),
        body_fingerprint=request.fingerprint(),
    )


def coupon_delivery(coupon_id: str) -> str:
    """Return the text that takes the place of a task id for the voucher of a coupon. No task id can equal it."""
    # Any other id may be too long for a row of an index. A code has no colon.
    is_code = look_up_text(coupon_id) is not None
    key = coupon_id if is_code else f"sha256:{hashlib.sha256(coupon_id.encode()).hexdigest()}"
    return f"stripe.coupons.import:{key}"


def our_voucher(request: ImportCoupon) -> CreateVoucher:
    """Return our request for the same voucher."""
    coupon = request.coupon
    body = {
        "project": request.project,
        "name": coupon.name or coupon.id,
        "code": request.code_here,
        "priceDiscount": None if coupon.amount_off is None else _price_discount(coupon),
        "priceDiscountPercentage": percentage(coupon.percent_off),
        "recurrence": {"type": coupon.duration, "durationInMonths": coupon.duration_in_months},
        "restrictions": {
            "expiresAt": instant(coupon.redeem_by),
            "maximumRedemptions": coupon.max_redemptions,
            "products": coupon.applies_to and coupon.applies_to.products,
        },
        "metadata": coupon.metadata or {},
    }
    return parse(CreateVoucher, body)


def _price_discount(coupon: Coupon) -> Answer:
    """Return the amounts of the coupon in minor units of ours. Raises InvalidRequest with those that are none."""
    amounts, errors = dict[str, int](), list[dict[str, str]]()
    for field, currency, amount in _amounts(coupon):
        try:
            amounts[currency] = amount_here(amount, currency=currency)
        except NoSuchAmountError as error:
            errors.append({"field": field, "message": str(error)})
    if errors:
        raise InvalidRequest(errors)
    own = coupon.currency or ""
    return {"amount": amounts.pop(own), "currency": own, "currencyOptions": amounts}


def _amounts(coupon: Coupon) -> Iterator[tuple[str, str, int]]:
    """Yield the field, the currency and the amount of each amount, as Stripe writes it."""
    if coupon.amount_off is not None and coupon.currency is not None:
        yield "coupon.amount_off", coupon.currency, coupon.amount_off
    for currency, option in (coupon.currency_options or {}).items():
        yield f"coupon.currency_options.{currency.lower()}.amount_off", currency, option.amount_off
