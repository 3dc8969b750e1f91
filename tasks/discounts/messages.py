"""The requests to list, move, extend and end discounts, and to end subscriptions."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from models.discounts.discount import DiscountStatus
from tasks.wire.fields import Cycles, DiscountId, ExternalId, Months, Note, VoucherId
from tasks.wire.message import Message, SignedMessage, check_exactly_one
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit, one_owner


class ListDiscounts(Message):
    """The request of `discounts.list`. At least one owner is given; several owners narrow the list."""

    project: ExternalId
    subscription: ExternalId | None = None
    customer: ExternalId | None = None
    voucher: Annotated[VoucherId | None, one_owner("subscription", "customer")] = Field(
        default=None, validate_default=True
    )
    status: Annotated[
        list[Annotated[DiscountStatus, Field(strict=False)]], Field(min_length=1, max_length=len(DiscountStatus))
    ] = Field(default_factory=lambda: list(DiscountStatus))
    after: DiscountId | None = None
    before: Annotated[DiscountId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


class DiscountReference(Message):
    """The request of `discounts.retrieve`."""

    project: ExternalId
    discount: DiscountId


class EndDiscount(SignedMessage):
    """The request of `discounts.end`."""

    project: ExternalId
    discount: DiscountId
    request_id: ExternalId | None = None


class EndSubscription(SignedMessage):
    """The request of `subscriptions.end`."""

    project: ExternalId
    subscription: ExternalId
    request_id: ExternalId | None = None


class MoveDiscount(SignedMessage):
    """The request of `discounts.move`. `subscription` is the target."""

    project: ExternalId
    discount: DiscountId
    subscription: ExternalId
    note: Note | None = None
    request_id: ExternalId | None = None


class ExtendDiscount(SignedMessage):
    """The request of `discounts.extend`. Exactly one of `months` and `cycles` is sent, as the discount counts."""

    project: ExternalId
    discount: DiscountId
    months: Months | None = None
    cycles: Cycles | None = Field(default=None, validate_default=True)
    note: Note | None = None
    request_id: ExternalId | None = None

    @field_validator("cycles")
    @classmethod
    def _has_one_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        check_exactly_one(info, value=value, other="months")
        return value
