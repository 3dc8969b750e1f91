"""The requests to list, import, move, extend and end discounts, and to end subscriptions."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from models.discounts.discount import DiscountStatus
from tasks.wire.fields import (
    CurrencyCode,
    Cycles,
    Day,
    DiscountId,
    ExternalId,
    InstantField,
    Months,
    Note,
    PositiveAmount,
    VoucherId,
    invalid,
)
from tasks.wire.message import BULK_MAX, Message, SignedMessage, check_exactly_one
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit, one_owner
from tasks.wire.period import Period


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


# Two hundred and seventy years of days. A discount for ever may have had more cycles than a recurrence can count.
CYCLES_HAD_MAX = 100_000


def _in_order(amounts: dict[str, int]) -> dict[str, int]:
    # The order of keys has no meaning in JSON, so two bodies that differ only in that have the same fingerprint.
    return dict(sorted(amounts.items()))


class ImportDiscount(SignedMessage):
    """The request of `discounts.import`. `ref` is the id that the discount had in the other system.

    A discount that has had no cycle yet is sent without `firstCycleStart`, `cycles` and `lastCycle`.
    """

    project: ExternalId
    ref: ExternalId
    voucher: VoucherId
    customer: ExternalId
    subscription: ExternalId
    redeemed_at: InstantField
    starts_on: Day | None = None
    first_cycle_start: Day | None = None
    cycles: Annotated[int, Field(ge=0, le=CYCLES_HAD_MAX)] = Field(default=0, validate_default=True)
    last_cycle: Period | None = Field(default=None, validate_default=True)
    taken: Annotated[dict[CurrencyCode, PositiveAmount], AfterValidator(_in_order)] = Field(default_factory=dict)

    @field_validator("cycles")
    @classmethod
    def _with_first_start(cls, value: int, info: ValidationInfo) -> int:
        if "first_cycle_start" in info.data and (value > 0) != (info.data["first_cycle_start"] is not None):
            raise invalid("must be more than 0 with firstCycleStart, and only then")
        return value

    @field_validator("last_cycle")
    @classmethod
    def _agrees_with_cycles(cls, value: Period | None, info: ValidationInfo) -> Period | None:
        if "first_cycle_start" not in info.data:
            return value
        if (value is None) != (info.data["first_cycle_start"] is None):
            raise invalid("must be given with firstCycleStart, and only then")
        cycles = info.data.get("cycles")
        if value is not None and cycles is not None:
            # Each cycle starts on a day of its own, the first on the first of them.
            days = (value.start - info.data["first_cycle_start"]).days
            if days < cycles - 1 or (days > 0 and cycles == 1):
                raise invalid("must be the last of so many cycles since firstCycleStart")
        return value


class ImportDiscounts(Message):
    """The request of `discounts.import_many`: each discount is parsed and decided by itself."""

    requests: Annotated[list[Any], Field(min_length=1, max_length=BULK_MAX)]
