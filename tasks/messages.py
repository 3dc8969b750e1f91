"""The requests to create and redeem vouchers, and what all requests have in common.

Field names are camelCase on the wire; snake_case is accepted too.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from tasks.fields import (
    BasisPoints,
    Code,
    Count,
    CurrencyCode,
    Day,
    ExternalId,
    InstantField,
    Metadata,
    Name,
    PositiveAmount,
    Subtotal,
    VoucherId,
    invalid,
)

BULK_MAX = 1_000
PRODUCTS_MAX = 1_000
STAMPS_MAX = 1_000
STAMP_DAYS_MAX = 3_650


class Message(BaseModel):
    """The base of every request: unknown fields are refused, and no number or text is converted silently."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
    )
    # How the fields are spelt where pydantic names them as they are called inside.
    spelling: ClassVar[Callable[[str], str]] = staticmethod(to_camel)

    def fingerprint(self) -> bytes:
        """This function will return what two requests with the same body have in common: 32 bytes.

        A field that is left out counts as its default, so that a field added later changes no old fingerprint.
        The fields count in the order in which they are declared: do not move them.
        """
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).digest()


def _given(info: ValidationInfo, name: str) -> bool:
    # A field that failed by itself is not in the data: it was given.
    return info.data.get(name, name) is not None


def _check_exactly_one(info: ValidationInfo, *, value: object, other: str) -> None:
    if (value is not None) == _given(info, other):
        raise invalid(f"exactly one of {to_camel(other)} and {to_camel(info.field_name or '')} must be given")


class PriceDiscount(Message):
    """An amount in minor units, with amounts for further currencies."""

    amount: PositiveAmount
    currency: CurrencyCode
    currency_options: dict[CurrencyCode, PositiveAmount] = Field(default_factory=dict)

    @field_validator("currency_options", mode="before")
    @classmethod
    def _differ_in_more_than_case(cls, value: Any) -> Any:
        if isinstance(value, dict) and len({str(name).upper() for name in value}) < len(value):
            raise invalid("must name each currency once")
        return value

    @field_validator("currency_options")
    @classmethod
    def _leave_out_own_currency(cls, value: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        if info.data.get("currency") in value:
            raise invalid("must not name the currency of the amount itself")
        return dict(sorted(value.items()))


class Recurrence(Message):
    """For how long a discount runs; exactly one of the durations with `repeating`, and only then."""

    type: Literal["once", "repeating", "forever"]
    duration_in_cycles: Annotated[int, Field(ge=1, le=999)] | None = None
    duration_in_months: Annotated[int, Field(ge=1, le=999)] | None = Field(default=None, validate_default=True)

    @field_validator("duration_in_cycles", "duration_in_months")
    @classmethod
    def _fits_type(cls, value: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("type") in {"once", "forever"} and value is not None:
            raise invalid("must be given with repeating only")
        return value

    @field_validator("duration_in_months")
    @classmethod
    def _one_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("type") == "repeating":
            _check_exactly_one(info, value=value, other="duration_in_cycles")
        return value


class MinimumSubtotal(Message):
    """What must be bought at least, in minor units."""

    amount: PositiveAmount
    currency: CurrencyCode


class Restrictions(Message):
    """Who may redeem, when and how often. The window is half-open."""

    starts_at: InstantField | None = None
    expires_at: InstantField | None = None
    maximum_redemptions: Count | None = None
    maximum_redemptions_per_customer: Count | None = None
    products: Annotated[list[ExternalId], Field(min_length=1, max_length=PRODUCTS_MAX)] | None = None
    minimum_subtotal: MinimumSubtotal | None = None

    @field_validator("expires_at")
    @classmethod
    def _ends_after_start(cls, value: Any, info: ValidationInfo) -> Any:
        starts_at = info.data.get("starts_at")
        if value is not None and starts_at is not None and value <= starts_at:
            raise invalid("must be later than startsAt")
        return value


class StampCard(Message):
    """How many stamps complete a card, and for how many days each counts."""

    stamps: Annotated[int, Field(ge=2, le=STAMPS_MAX)]
    expire_days: Annotated[int, Field(ge=1, le=STAMP_DAYS_MAX)] | None = None


class CreateVoucher(Message):
    """`vouchers.create`: exactly one of `priceDiscount` and `priceDiscountPercentage` (basis points inside)."""

    project: ExternalId
    request_id: ExternalId | None = None
    name: Name
    code: Code | None = None
    price_discount: PriceDiscount | None = None
    price_discount_percentage: BasisPoints | None = Field(default=None, validate_default=True)
    recurrence: Recurrence
    restrictions: Restrictions = Field(default_factory=Restrictions)
    metadata: Metadata = Field(default_factory=dict)
    carry_over: bool = False
    stamp_card: StampCard | None = None
    maximum_discount: PriceDiscount | None = None
    budget: PriceDiscount | None = None

    @field_validator("price_discount_percentage")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        _check_exactly_one(info, value=value, other="price_discount")
        return value

    @field_validator("carry_over")
    @classmethod
    def _is_a_balance(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's own signature
        recurrence = info.data.get("recurrence")
        if value and not _given(info, "price_discount"):
            raise invalid("must be given with priceDiscount only")
        if value and recurrence is not None and recurrence.type == "once":
            raise invalid("must not be given with once: there is no next invoice")
        return value


class VoucherReference(Message):
    """`vouchers.retrieve` and `vouchers.retire`."""

    project: ExternalId
    voucher: VoucherId


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
        _check_exactly_one(info, value=value, other="voucher")
        return value


class RedeemMany(Message):
    """`redemptions.redeem_many`: each request is judged by itself, also as to whether it is valid."""

    requests: Annotated[list[Any], Field(min_length=1, max_length=BULK_MAX)]


class RedemptionReference(Message):
    """`redemptions.retrieve`."""

    project: ExternalId
    request_id: ExternalId


class Sweep(Message):
    """`expiry.sweep`: it works through whatever is due now, so there is nothing to say."""
