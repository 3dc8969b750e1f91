"""The requests of the tasks on vouchers."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from domain.terms import PRIORITY
from models.vouchers.listing import VoucherStatus
from tasks.vouchers.filters import VoucherFilters
from tasks.vouchers.term_messages import PriceDiscount, PriceFromZero, Recurrence, has_phases
from tasks.wire.fields import (
    PRODUCTS_MAX,
    STAMPS_MAX,
    Code,
    Count,
    CurrencyCode,
    Day,
    ExternalId,
    InstantField,
    Metadata,
    Name,
    Percentage,
    PositiveAmount,
    VoucherChangeId,
    VoucherId,
    invalid,
)
from tasks.wire.message import Message, SignedMessage, check_exactly_one, check_later, was_given
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit

STAMP_DAYS_MAX = 3_650
Given = TypeVar("Given")


def given(value: Given | None) -> Given:
    """Return the value of a field that an update cannot remove. Raises a field error for null."""
    if value is None:
        raise invalid("must not be null: a voucher cannot be without it")
    return value


class MinimumSubtotal(Message):
    """The least amount of a purchase, or of the lines of each invoice that the voucher discounts, in minor units."""

    amount: PositiveAmount
    currency: CurrencyCode
    on: Literal["redemption", "invoice"] = "redemption"


class Restrictions(Message):
    """Who may redeem a voucher, when, and how often. The window excludes `expiresAt`."""

    starts_at: InstantField | None = None
    expires_at: InstantField | None = None
    maximum_redemptions: Count | None = None
    maximum_redemptions_per_customer: Count | None = None
    products: Annotated[list[ExternalId], Field(min_length=1, max_length=PRODUCTS_MAX)] | None = None
    minimum_subtotal: MinimumSubtotal | None = None
    excluded_products: Annotated[list[ExternalId], Field(min_length=1, max_length=PRODUCTS_MAX)] | None = None
    first_purchase_only: bool = False

    @field_validator("expires_at")
    @classmethod
    def _ends_after_start(cls, value: Any, info: ValidationInfo) -> Any:
        check_later(info, value=value, than="starts_at")
        return value

    @field_validator("excluded_products")
    @classmethod
    def _are_no_products(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if not set(info.data.get("products") or ()).isdisjoint(value or ()):
            raise invalid("must not name a product that products names too")
        return value


class RestrictionsToUpdate(Restrictions):
    """The restrictions that an update sends: those that are left out stay, so false is no default here."""

    # Never null.
    first_purchase_only: bool | None = None  # type: ignore[assignment]

    @field_validator("first_purchase_only")
    @classmethod
    def _stays(cls, value: bool | None) -> bool:  # noqa: FBT001 - pydantic's own signature
        return given(value)


class StampCard(Message):
    """How many stamps complete a card, and for how many days each stamp counts."""

    stamps: Annotated[int, Field(ge=2, le=STAMPS_MAX)]
    expire_days: Annotated[int, Field(ge=1, le=STAMP_DAYS_MAX)] | None = None


PRIORITY_MAX = 1_000

Priority = Annotated[int, Field(ge=0, le=PRIORITY_MAX)]


class CreateVoucher(SignedMessage):
    """`vouchers.create`: exactly one of `priceDiscount`, `priceDiscountPercentage` (in millionths) and phases."""

    project: ExternalId
    request_id: ExternalId | None = None
    name: Name
    code: Code | None = None
    price_discount: PriceDiscount | None = None
    price_discount_percentage: Percentage | None = None
    recurrence: Recurrence
    restrictions: Restrictions = Field(default_factory=Restrictions)
    metadata: Metadata = Field(default_factory=dict)
    carry_over: bool = False
    stamp_card: StampCard | None = None
    maximum_discount: PriceDiscount | None = None
    budget: PriceDiscount | None = None
    campaign: ExternalId | None = None
    priority: Priority = PRIORITY
    exclusive: bool = False
    maximum_discount_in_all: PriceDiscount | None = None

    @model_validator(mode="before")
    @classmethod
    def _need_no_price_with_phases(cls, data: Any) -> Any:
        # The percentage is validated before the recurrence, and only if it is there.
        if not isinstance(data, Mapping):
            return data
        names = ("price_discount_percentage", "priceDiscountPercentage")
        if has_phases(data):
            return {name: value for name, value in data.items() if name not in names or value is not None}
        return data if any(name in data for name in names) else {**data, "price_discount_percentage": None}

    @field_validator("price_discount_percentage")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        check_exactly_one(info, value=value, other="price_discount")
        return value

    @field_validator("recurrence")
    @classmethod
    def _one_price(cls, value: Recurrence, info: ValidationInfo) -> Recurrence:
        prices = ("price_discount", "price_discount_percentage")
        if value.phases is not None and any(info.data.get(name) is not None for name in prices):
            raise invalid("must not have phases: they have prices of their own")
        return value

    @field_validator("carry_over")
    @classmethod
    def _is_a_balance(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's own signature
        recurrence = info.data.get("recurrence")
        if value and not was_given(info, "price_discount"):
            raise invalid("must be given with priceDiscount only")
        if value and recurrence is not None and recurrence.type == "once":
            raise invalid("must not be given with once: there is no next invoice")
        return value

    @field_validator("maximum_discount_in_all")
    @classmethod
    def _is_no_second_total(cls, value: PriceDiscount | None, info: ValidationInfo) -> PriceDiscount | None:
        if value is not None and info.data.get("carry_over"):
            raise invalid("must not be given with carryOver: a balance is the most that is given already")
        return value


class CreateForeignVoucher(CreateVoucher):
    """A voucher as another system can describe it, and as it can be stored: an amount may be 0."""

    price_discount: PriceFromZero | None = None


class VoucherReference(Message):
    """`vouchers.retrieve`."""

    project: ExternalId
    voucher: VoucherId


class RetireVoucher(SignedMessage):
    """`vouchers.retire`."""

    project: ExternalId
    voucher: VoucherId


class VoucherHistory(Message):
    """`vouchers.history`: `after` and `before` are positions, even if no change has that id."""

    project: ExternalId
    voucher: VoucherId
    after: VoucherChangeId | None = None
    before: Annotated[VoucherChangeId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


class VoucherPage(Message):
    """A page of a list of vouchers: `after` and `before` are positions, even if no voucher has that id."""

    project: ExternalId
    status: Annotated[list[Annotated[VoucherStatus, Field(strict=False)]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: [VoucherStatus.AVAILABLE]
    )
    code: Code | None = None
    after: VoucherId | None = None
    before: Annotated[VoucherId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


class ListVouchers(VoucherPage, VoucherFilters):
    """`vouchers.list`."""


class UpdateVoucher(SignedMessage):
    """`vouchers.update`: a field that is left out stays, and null removes an optional field."""

    project: ExternalId
    voucher: VoucherId
    request_id: ExternalId | None = None
    name: Name | None = None
    code: Code | None = None
    price_discount: PriceDiscount | None = None
    price_discount_percentage: Percentage | None = None
    recurrence: Recurrence | None = None
    restrictions: RestrictionsToUpdate | None = None
    metadata: Metadata | None = None
    carry_over: bool | None = None
    stamp_card: StampCard | None = None
    maximum_discount: PriceDiscount | None = None
    budget: PriceDiscount | None = None
    campaign: ExternalId | None = None
    priority: Priority | None = None
    exclusive: bool | None = None
    maximum_discount_in_all: PriceDiscount | None = None

    @field_validator("name", "recurrence", "restrictions", "metadata", "carry_over", "priority", "exclusive")
    @classmethod
    def _stays(cls, value: Any) -> Any:
        return given(value)

    @field_validator("price_discount_percentage")
    @classmethod
    def _one_kind(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("price_discount") is not None:
            raise invalid("must not be given together with priceDiscount")
        return value

    def fingerprint(self) -> bytes:
        """Return 32 bytes that are the same for requests with the same body.

        In other requests, null means the same as a field that is left out. Here it removes the field.
        """
        names = _nulls(self) | {f"restrictions.{name}" for name in _nulls(self.restrictions)}
        return hashlib.sha256(super().fingerprint() + " ".join(sorted(names)).encode()).digest()


class UpdateForeignVoucher(UpdateVoucher):
    """An update as another system can describe it: an amount may be 0."""

    price_discount: PriceFromZero | None = None


def _nulls(message: Message | None) -> set[str]:
    sent = message.model_fields_set - {"request_id", "actor"} if message else set()
    return {name for name in sent if getattr(message, name) is None}


MONTHS_MAX = 24


class Forecast(Message):
    """`vouchers.forecast`: `months` calendar months, from the month of `from` or else the current month in UTC."""

    project: ExternalId
    voucher: VoucherId | None = None
    months: Annotated[int, Field(ge=1, le=MONTHS_MAX)] = 12
    from_: Day | None = Field(default=None, alias="from")
