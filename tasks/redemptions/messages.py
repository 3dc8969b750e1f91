"""The requests of the tasks about redemptions and holds. Fields are camelCase on the wire."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tasks.wire.fields import (
    PRODUCTS_MAX,
    CurrencyCode,
    Day,
    ExternalId,
    HoldId,
    InstantField,
    Subtotal,
    TypedCode,
    VoucherId,
)
from tasks.wire.message import BULK_MAX, Message, check_exactly_one


def _name_one_voucher(value: str | None, info: ValidationInfo) -> str | None:
    check_exactly_one(info, value=value, other="voucher")
    return value


# The code of a request that names a voucher: exactly one of the field `voucher` before it and this field is sent.
CodeUnlessVoucher = Annotated[TypedCode | None, AfterValidator(_name_one_voucher)]


class Redeem(Message):
    """`redemptions.redeem`: exactly one of `voucher` and `code` is sent.

    A request without the products, currency or subtotal that a restriction of the voucher needs is refused.
    """

    project: ExternalId
    request_id: ExternalId
    voucher: VoucherId | None = None
    code: CodeUnlessVoucher = Field(default=None, validate_default=True)
    customer: ExternalId
    subscription: ExternalId
    products: Annotated[list[ExternalId], Field(max_length=PRODUCTS_MAX)] | None = None
    currency: CurrencyCode | None = None
    subtotal: Subtotal | None = None
    starts_on: Day | None = None
    requested_at: InstantField | None = None


class RedeemMany(Message):
    """`redemptions.redeem_many`: each request is parsed and decided by itself."""

    requests: Annotated[list[Any], Field(min_length=1, max_length=BULK_MAX)]


class RedemptionReference(Message):
    """`redemptions.retrieve`: the request id of a decided redemption."""

    project: ExternalId
    request_id: ExternalId


TTL_DEFAULT_SECONDS = 15 * 60
TTL_MAX_SECONDS = 7 * 24 * 60 * 60


class Reserve(Redeem):
    """`redemptions.reserve`: the fields of `redemptions.redeem`, and `ttl`, the seconds for which the place is held."""

    ttl: Annotated[int, Field(ge=1, le=TTL_MAX_SECONDS)] = TTL_DEFAULT_SECONDS


class HoldReference(Message):
    """`redemptions.confirm` and `redemptions.release`: exactly one of `hold` and its `requestId` is sent."""

    project: ExternalId
    hold: HoldId | None = None
    request_id: ExternalId | None = Field(default=None, validate_default=True)

    @field_validator("request_id")
    @classmethod
    def _names_one_hold(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_exactly_one(info, value=value, other="hold")
        return value


class Validate(Redeem):
    """`redemptions.validate`: the fields of `redemptions.redeem`, with or without a `requestId`."""

    # Optional here. The subclass inherits all other fields, in their order, and is never used as a Redeem.
    request_id: ExternalId | None = None  # type: ignore[assignment]
