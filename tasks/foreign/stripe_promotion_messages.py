"""The request that imports a promotion code of Stripe: the object as Stripe's API returns it, of any version.

Later versions name the coupon in `promotion`, earlier ones in `coupon`. Either may be an id or the expanded object.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from tasks.foreign.adapter import LowerCaseCurrency, SnakeCaseMessage
from tasks.foreign.stripe_messages import CouponId, Seconds
from tasks.wire.fields import AMOUNT_MINOR_MAX, Code, Count, ExternalId, PositiveAmount, Subtotal, invalid
from tasks.wire.message import was_given


def _id_of_expanded(value: Any) -> Any:
    return value.get("id") if isinstance(value, Mapping) else value


class Promotion(SnakeCaseMessage):
    """What a promotion code of a later version stands for."""

    type: Literal["coupon"]
    coupon: Annotated[CouponId, BeforeValidator(_id_of_expanded)]


class MinimumOption(SnakeCaseMessage):
    """The minimum amount in a further currency."""

    minimum_amount: PositiveAmount


class PromotionRestrictions(SnakeCaseMessage):
    """The restrictions of a promotion code beside those of the coupon. A minimum of 0 is none."""

    first_time_transaction: bool = False
    minimum_amount: Subtotal | None = None
    minimum_amount_currency: LowerCaseCurrency | None = Field(default=None, validate_default=True)
    currency_options: dict[LowerCaseCurrency, MinimumOption] | None = None

    @field_validator("minimum_amount_currency")
    @classmethod
    def _with_amount(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and was_given(info, "minimum_amount"):
            raise invalid("must be given with minimum_amount")
        return value

    @field_validator("currency_options")
    @classmethod
    def _are_no_others(
        cls, value: dict[str, MinimumOption] | None, info: ValidationInfo
    ) -> dict[str, MinimumOption] | None:
        own, amount = info.data.get("minimum_amount_currency"), info.data.get("minimum_amount")
        if any((currency, each.minimum_amount) != (own, amount) for currency, each in (value or {}).items()):
            raise invalid("must name no other minimum: a voucher has one, in one currency")
        return value


class PromotionCode(SnakeCaseMessage):
    """The promotion code object. `livemode` and `metadata` are not stored."""

    id: ExternalId
    object: Literal["promotion_code"]
    active: bool
    code: Code
    promotion: Promotion | None = None
    coupon: Annotated[CouponId | None, BeforeValidator(_id_of_expanded)] = Field(default=None, validate_default=True)
    created: Seconds
    customer: Annotated[ExternalId | None, BeforeValidator(_id_of_expanded)] = None
    customer_account: ExternalId | None = Field(default=None, validate_default=True)
    expires_at: Seconds | None = None
    livemode: bool | None = None
    max_redemptions: Count | None = None
    metadata: dict[str, Any] | None = None
    restrictions: PromotionRestrictions = Field(default_factory=PromotionRestrictions)
    times_redeemed: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]

    @property
    def coupon_id(self) -> str:
        """The id of the coupon in Stripe."""
        return self.coupon if self.promotion is None else self.promotion.coupon  # type: ignore[return-value]

    @field_validator("coupon")
    @classmethod
    def _one_coupon(cls, value: str | None, info: ValidationInfo) -> str | None:
        promotion = info.data.get("promotion")
        if "promotion" in info.data and promotion is None and value is None:
            raise invalid("must be given, here or in promotion")
        if value is not None and promotion is not None and value != promotion.coupon:
            raise invalid("must be the coupon of promotion")
        return value

    @field_validator("customer_account")
    @classmethod
    def _with_customer(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "customer" in info.data and info.data["customer"] is None:
            raise invalid("must be given with customer only: subscriptions name the customer")
        return value


class ImportPromotionCode(SnakeCaseMessage):
    """`stripe.promotion_codes.import`: the whole promotion code object, unchanged."""

    project: ExternalId
    promotion_code: PromotionCode
