"""The requests of the tasks about redemptions and holds. Fields are camelCase on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from domain.eligibility import Refusal
from domain.hold import HoldStatus
from tasks.wire.fields import (
    PRODUCTS_MAX,
    CurrencyCode,
    Day,
    ExternalId,
    HoldId,
    InstantField,
    RedemptionId,
    Subtotal,
    TypedCode,
    VoucherId,
    invalid,
)
from tasks.wire.message import BULK_MAX, Message, check_exactly_one, check_later
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit, one_owner


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
    is_first_purchase: bool = False


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


class Outcome(StrEnum):
    """The outcome of a decided request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class ListRedemptions(Message):
    """`redemptions.list`: the filters are optional, and narrow the list together."""

    project: ExternalId
    customer: ExternalId | None = None
    subscription: ExternalId | None = None
    voucher: VoucherId | None = None
    code: TypedCode | None = None
    outcome: Annotated[Outcome, Field(strict=False)] | None = None
    reason: (
        Annotated[list[Annotated[Refusal, Field(strict=False)]], Field(min_length=1, max_length=len(Refusal))] | None
    ) = None
    decided_from: InstantField | None = None
    decided_before: InstantField | None = None
    after: RedemptionId | None = None
    before: Annotated[RedemptionId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE

    @field_validator("reason")
    @classmethod
    def _of_refusals(cls, value: list[Refusal] | None, info: ValidationInfo) -> list[Refusal] | None:
        if value is not None and info.data.get("outcome") is Outcome.ACCEPTED:
            raise invalid("must not be given together with accepted")
        return value

    @field_validator("decided_before")
    @classmethod
    def _after_beginning(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        check_later(info, value=value, than="decided_from")
        return value


def _statuses_of_holds() -> list[HoldStatus]:
    return [each for each in HoldStatus if each is not HoldStatus.REFUSED]


def _of_hold(value: HoldStatus) -> HoldStatus:
    if value is HoldStatus.REFUSED:
        raise invalid("must be the status of a hold, which a refused request has not")
    return value


class ListHolds(Message):
    """`holds.list`: at least one owner is given. Several owners narrow the list."""

    project: ExternalId
    customer: ExternalId | None = None
    subscription: ExternalId | None = None
    voucher: Annotated[VoucherId | None, one_owner("customer", "subscription")] = Field(
        default=None, validate_default=True
    )
    status: Annotated[
        list[Annotated[HoldStatus, Field(strict=False), AfterValidator(_of_hold)]],
        Field(min_length=1, max_length=len(HoldStatus)),
    ] = Field(default_factory=_statuses_of_holds)
    after: HoldId | None = None
    before: Annotated[HoldId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


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
