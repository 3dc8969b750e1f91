"""The coupons and applied coupons of Lago, as its API returns them (https://getlago.com/docs/api-reference/coupons).

Unknown fields are refused, because they might restrict a coupon.
"""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from tasks.foreign.adapter import SnakeCaseMessage
from tasks.wire.fields import (
    AMOUNT_MINOR_MAX,
    PRODUCTS_MAX,
    CurrencyCode,
    Cycles,
    ExternalId,
    InstantField,
    Name,
    Percentage,
    PositiveAmount,
    invalid,
)
from tasks.wire.message import was_given


def _number(value: Any) -> Any:
    """Return the number that a text says, because Lago sends rates as texts."""
    if not isinstance(value, str):
        return value
    try:
        return float(Decimal(value))
    except InvalidOperation:
        return value


Rate = Annotated[Percentage | None, BeforeValidator(_number)]
Frequency = Literal["once", "recurring", "forever"]
Codes = Annotated[list[ExternalId], Field(max_length=PRODUCTS_MAX)]


class LagoTerms(SnakeCaseMessage):
    """The money terms that a coupon has and an applied coupon can have otherwise."""

    project: ExternalId
    amount_cents: PositiveAmount | None = None
    amount_currency: CurrencyCode | None = Field(default=None, validate_default=True)
    percentage_rate: Rate = Field(default=None, validate_default=True)
    frequency: Frequency
    frequency_duration: Cycles | None = Field(default=None, validate_default=True)

    @field_validator("amount_currency")
    @classmethod
    def _with_amount(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and was_given(info, "amount_cents"):
            raise invalid("must be given with amount_cents")
        return value

    @field_validator("percentage_rate")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        if (value is not None) == was_given(info, "amount_cents"):
            raise invalid("exactly one of amount_cents and percentage_rate must be given")
        return value

    @field_validator("frequency_duration")
    @classmethod
    def _fits_frequency(cls, value: int | None, info: ValidationInfo) -> int | None:
        if "frequency" in info.data and (value is not None) != (info.data["frequency"] == "recurring"):
            raise invalid("must be given with recurring, and only then")
        return value


class LagoCoupon(LagoTerms):
    """The coupon object."""

    lago_id: ExternalId
    name: Name
    code: ExternalId
    description: str | None = None
    coupon_type: Literal["fixed_amount", "percentage"]
    reusable: bool = True
    limited_plans: bool = False
    plan_codes: Codes | None = None
    limited_billable_metrics: bool = False
    billable_metric_codes: Codes | None = None
    expiration: Literal["no_expiration", "time_limit"] = "no_expiration"
    expiration_at: InstantField | None = None
    created_at: InstantField | None = None
    terminated_at: InstantField | None = None


class LagoAppliedCoupon(LagoTerms):
    """The applied coupon object. `credits` are not read: they have no days."""

    lago_id: ExternalId
    lago_coupon_id: ExternalId
    coupon_code: str | None = None
    coupon_name: str | None = None
    lago_customer_id: str | None = None
    external_customer_id: ExternalId
    status: Literal["active", "terminated"]
    amount_cents_remaining: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] | None = None
    frequency_duration_remaining: Annotated[int, Field(ge=0)] | None = Field(default=None, validate_default=True)
    expiration_at: InstantField | None = None
    created_at: InstantField
    terminated_at: InstantField | None = None
    credits: Any = None

    @field_validator("frequency_duration_remaining")
    @classmethod
    def _of_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        duration = info.data.get("frequency_duration")
        if duration is not None and (value is None or value > duration):
            raise invalid("must be given with recurring, and not be more than frequency_duration")
        return value
