"""Import the coupons of Stripe (https://docs.stripe.com/api/coupons/object) as vouchers.

Fetch them with `expand[]=applies_to` and `expand[]=currency_options`. Otherwise Stripe omits both fields, and the
voucher would apply to all products. Unknown fields are refused, because they might restrict the coupon.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator
from sqlalchemy.orm import Session

from domain.code_text import CODE_PATTERN
from domain.imported_history import ImportedHistory
from tasks.foreign.adapter import LowerCaseCurrency, SnakeCaseMessage, fields_named, months_for
from tasks.foreign.stripe_amounts import NoSuchAmountError, amount_here
from tasks.intake.task import contract_task
from tasks.vouchers.create import create_voucher
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer, instant, percentage
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import (
    AMOUNT_MINOR_MAX,
    PRODUCTS_MAX,
    Count,
    ExternalId,
    Metadata,
    Months,
    Name,
    Percentage,
    PositiveAmount,
    in_calendar,
    invalid,
)
from tasks.wire.message import was_given
from tasks.wire.parsing import parse
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction

NAME_LENGTH_MAX = 255
# Our name of the field in which our use case finds an error, and the name in the request.
FIELDS = {"code": "coupon.id"}


def _parse_seconds(value: Any) -> datetime:
    if type(value) is not int:
        raise invalid("must be a Unix timestamp in whole seconds")
    try:
        parsed = datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise invalid("must be a Unix timestamp in whole seconds") from None
    in_calendar(parsed.date())
    return parsed


def _texts_only(metadata: dict[str, Any]) -> dict[str, Any]:
    if not all(isinstance(value, str) for value in metadata.values()):
        raise invalid("must have values that are strings")
    return metadata


# As `Code`, but without stripping: an id with blanks around it names another coupon.
CouponId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
Seconds = Annotated[datetime, BeforeValidator(_parse_seconds)]


class AppliesTo(SnakeCaseMessage):
    """The products that a coupon applies to."""

    products: Annotated[list[ExternalId], Field(min_length=1, max_length=PRODUCTS_MAX)]


class CurrencyOption(SnakeCaseMessage):
    """A fixed amount in a further currency."""

    amount_off: PositiveAmount


class Coupon(SnakeCaseMessage):
    """The coupon object. `created` and `livemode` are not stored."""

    id: CouponId
    object: Literal["coupon"]
    amount_off: PositiveAmount | None = None
    applies_to: AppliesTo | None = None
    created: Seconds | None = None
    currency: LowerCaseCurrency | None = Field(default=None, validate_default=True)
    currency_options: dict[LowerCaseCurrency, CurrencyOption] | None = None
    deleted: bool = False
    duration: Literal["forever", "once", "repeating"]
    duration_in_months: Months | None = Field(default=None, validate_default=True)
    livemode: bool | None = None
    max_redemptions: Count | None = None
    metadata: Annotated[Metadata, AfterValidator(_texts_only)] | None = None
    name: Name | None = None
    percent_off: Percentage | None = Field(default=None, validate_default=True)
    redeem_by: Seconds | None = None
    script: None = None
    times_redeemed: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]
    type: Literal["amount_off", "percent_off"] | None = None
    valid: bool

    @field_validator("currency")
    @classmethod
    def _with_amount(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is not None) != was_given(info, "amount_off"):
            raise invalid("must be given with amount_off, and only then")
        return value

    @field_validator("currency_options")
    @classmethod
    def _agree_with_amount(
        cls, value: dict[str, CurrencyOption] | None, info: ValidationInfo
    ) -> dict[str, CurrencyOption] | None:
        if value and not was_given(info, "amount_off"):
            raise invalid("must be given with amount_off only")
        own = (value or {}).get(info.data.get("currency") or "")
        if own is not None and own.amount_off != info.data.get("amount_off", own.amount_off):
            raise invalid("must agree with amount_off in its own currency")
        return value and dict(sorted(value.items()))

    @field_validator("deleted")
    @classmethod
    def _exists(cls, value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
        if value:
            raise invalid("must not be a deleted coupon")
        return value

    @field_validator("duration_in_months")
    @classmethod
    def _fits_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        return months_for(info.data.get("duration"), value)

    @field_validator("percent_off")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        if (value is not None) == was_given(info, "amount_off"):
            raise invalid("exactly one of amount_off and percent_off must be given")
        return value

    @field_validator("times_redeemed")
    @classmethod
    def _within_maximum(cls, value: int, info: ValidationInfo) -> int:
        maximum = info.data.get("max_redemptions")
        if maximum is not None and value > maximum:
            raise invalid("must not be more than max_redemptions")
        return value

    @field_validator("type")
    @classmethod
    def _names_the_kind(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not was_given(info, value):
            raise invalid("must name what is given")
        return value


class ImportCoupon(SnakeCaseMessage):
    """`stripe.coupons.import`: the whole coupon object, unchanged."""

    project: ExternalId
    coupon: Coupon


@contract_task("stripe.coupons.import", message=ImportCoupon, first_answer=AnswerTable.VOUCHERS)
def import_(request: ImportCoupon) -> Answer:
    """Create a voucher from a coupon, once for each coupon id."""
    return run_in_transaction(lambda session: import_coupon(session, request))


def import_coupon(session: Session, request: ImportCoupon) -> Answer:
    """Create the voucher of a coupon with the redemptions so far, and answer a repeated import with the first answer.

    Another coupon object with the same id is a conflict, as for a request id.
    Raises InvalidRequest if the id is the code of another voucher that can still be redeemed.
    """
    coupon = request.coupon
    with fields_named(FIELDS):
        return create_voucher(
            session,
            our_voucher(request),
            # Takes the place of a task id. No request id of a caller can equal it.
            delivery=f"stripe.coupons.import:{coupon.id}",
            history=ImportedHistory(redemptions=coupon.times_redeemed, is_withdrawn=not coupon.valid),
            body_fingerprint=request.fingerprint(),
        )


def our_voucher(request: ImportCoupon) -> CreateVoucher:
    """Return our request for the same voucher."""
    coupon = request.coupon
    body = {
        "project": request.project,
        "name": coupon.name or coupon.id[:NAME_LENGTH_MAX],
        "code": coupon.id,
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
