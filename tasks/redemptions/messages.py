"""The requests about redemptions and holds."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from tasks.wire.fields import (
    PRODUCTS_MAX,
    Code,
    CurrencyCode,
    Day,
    ExternalId,
    HoldId,
    InstantField,
    Subtotal,
    VoucherId,
    invalid,
)
from tasks.wire.message import BULK_MAX, Message, check_exactly_one


class Redeem(Message):
    """`redemptions.redeem`: exactly one of `voucher` and `code`; a restriction refuses where it lacks what it needs."""

    project: ExternalId
    request_id: ExternalId
    voucher: VoucherId | None = None
    code: Code | None = Field(default=None, validate_default=True)
    customer: ExternalId
    subscription: ExternalId
    products: Annotated[list[ExternalId], Field(max_length=PRODUCTS_MAX)] | None = None
    currency: CurrencyCode | None = None
    subtotal: Subtotal | None = None
    starts_on: Day | None = None
    requested_at: InstantField | None = None

    @field_validator("code")
    @classmethod
    def _one_reference(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_exactly_one(info, value=value, other="voucher")
        return value


class RedeemMany(Message):
    """`redemptions.redeem_many`: each request is judged by itself, also as to whether it is valid."""

    requests: Annotated[list[Any], Field(min_length=1, max_length=BULK_MAX)]


class RedemptionReference(Message):
    """`redemptions.retrieve`."""

    project: ExternalId
    request_id: ExternalId


TTL_DEFAULT_SECONDS = 15 * 60
TTL_MAX_SECONDS = 7 * 24 * 60 * 60


class Reserve(Redeem):
    """`redemptions.reserve`: as `redemptions.redeem`, and for how many seconds the place is held."""

    ttl: Annotated[int, Field(ge=1, le=TTL_MAX_SECONDS)] = TTL_DEFAULT_SECONDS


class HoldReference(Message):
    """`redemptions.confirm` and `redemptions.release`: exactly one of `hold` and the `requestId` that it was given."""

    project: ExternalId
    hold: HoldId | None = None
    request_id: ExternalId | None = Field(default=None, validate_default=True)

    @field_validator("request_id")
    @classmethod
    def _one_reference(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A field that failed by itself is not in the data: it was given.
        if (value is not None) == (info.data.get("hold", ...) is not None):
            raise invalid("exactly one of hold and requestId must be given")
        return value


class Validate(Redeem):
    """`redemptions.validate`: as `redemptions.redeem`, with or without the id that it would be sent under."""

    # A field less, and the same places for the rest.
    request_id: ExternalId | None = None  # type: ignore[assignment]
