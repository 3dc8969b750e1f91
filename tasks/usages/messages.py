"""The requests of the tasks about usage. Fields are camelCase on the wire; snake_case is accepted too."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from tasks.wire.fields import (
    AMOUNT_MINOR_MAX,
    PRODUCTS_MAX,
    STAMPS_MAX,
    CurrencyCode,
    Day,
    ExternalId,
    Subtotal,
    UsageId,
    VoucherId,
    invalid,
)
from tasks.wire.message import Message, was_given

USAGES_MAX = 1_000


class RecordUsage(Message):
    """`usages.record`: at least one of `usage`, `stamp` and `amount` is more than 0.

    The fields after `createdBy` are those of `redemptions.redeem`. They are for the discount of a completed card.
    """

    project: ExternalId
    voucher: VoucherId
    customer: ExternalId
    ref: ExternalId
    ref_type: ExternalId = "manual"
    usage: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] = 0
    stamp: Annotated[int, Field(ge=0, le=STAMPS_MAX)] = 0
    amount: Subtotal = Field(default=0, validate_default=True)
    currency: CurrencyCode | None = None
    created_by: ExternalId | None = None
    subscription: ExternalId | None = None
    products: Annotated[list[ExternalId], Field(max_length=PRODUCTS_MAX)] | None = None
    subtotal: Subtotal | None = None
    starts_on: Day | None = None
    is_first_purchase: bool = False

    @field_validator("amount")
    @classmethod
    def _counts_something(cls, value: int, info: ValidationInfo) -> int:
        if not value and not info.data.get("usage", 1) and not info.data.get("stamp", 1):
            raise invalid("at least one of usage, stamp and amount must be more than 0")
        return value


class ListUsages(Message):
    """`usages.list`: a page of a voucher's customers, or a single customer.

    `startingAfter` is the id of an item. `refsBefore` is the id of an entry of the single customer.
    """

    project: ExternalId
    voucher: VoucherId
    customer: ExternalId | None = None
    limit: Annotated[int, Field(ge=1, le=USAGES_MAX)] = 10
    starting_after: UsageId | None = None
    refs_before: UsageId | None = None

    @field_validator("refs_before")
    @classmethod
    def _is_of_one_customer(cls, value: UUID | None, info: ValidationInfo) -> UUID | None:
        if value is not None and not was_given(info, "customer"):
            raise invalid("must be given together with customer")
        return value
