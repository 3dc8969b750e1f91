"""The request that imports a coupon of Stripe: the coupon object as Stripe's API returns it.

Unknown fields are refused, because they might restrict the coupon.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from domain.code_text import look_up_text
from tasks.foreign.adapter import LowerCaseCurrency, SnakeCaseMessage, months_for
from tasks.wire.fields import (
    AMOUNT_MINOR_MAX,
    PRODUCTS_MAX,
    Code,
    Count,
    ExternalId,
    Metadata,
    Months,
    Name,
    Percentage,
    PositiveAmount,
    in_calendar,
    invalid,
    storable,
)
from tasks.wire.message import was_given

# The bound of Stripe's own strings.
COUPON_ID_LENGTH_MAX = 5_000


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


CouponId = Annotated[str, StringConstraints(min_length=1, max_length=COUPON_ID_LENGTH_MAX), AfterValidator(storable)]
Seconds = Annotated[datetime, BeforeValidator(_parse_seconds)]


class AppliesTo(SnakeCaseMessage):
    """The products that a coupon applies to."""

    products: Annotated[list[ExternalId], Field(min_length=1, max_length=PRODUCTS_MAX)]


class CurrencyOption(SnakeCaseMessage):
    """A fixed amount in a further currency."""

    amount_off: PositiveAmount


class Coupon(SnakeCaseMessage):
    """The coupon object. `created` and `livemode` are not stored.

    `currency` and `duration_in_months` mean something with `amount_off` and `repeating` only. Stripe's own fixtures
    have them in other coupons too.
    """

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
        if value is None and was_given(info, "amount_off"):
            raise invalid("must be given with amount_off")
        return value if was_given(info, "amount_off") else None

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
        duration = info.data.get("duration")
        return None if duration in {"once", "forever"} else months_for(duration, value)

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
    """`stripe.coupons.import`: the whole coupon object, unchanged. `code` takes the place of the id as the code."""

    project: ExternalId
    coupon: Coupon
    code: Code | None = None

    @property
    def code_here(self) -> str | None:
        """The code of the voucher: that beside the coupon, where null is none, or else the coupon's id."""
        return self.code if "code" in self.model_fields_set else self.coupon.id

    @property
    def lacks_code(self) -> bool:
        """Whether neither a code nor null was sent for a coupon whose id cannot be a code."""
        return "code" not in self.model_fields_set and look_up_text(self.coupon.id) is None

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the body, in which null differs from a missing code, but the coupon's id does not."""
        body = self.model_dump_json(exclude_defaults=True, exclude={"code"})
        beside = "" if self.code_here == self.coupon.id else json.dumps(self.code_here)
        return hashlib.sha256((body + beside).encode()).digest()
