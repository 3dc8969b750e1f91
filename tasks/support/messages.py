"""The request to explain a customer, a subscription or an invoice."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from tasks.wire.fields import DiscountId, ExternalId, HoldId, RedemptionId, invalid
from tasks.wire.message import Message, was_given
from tasks.wire.pages import PAGE_SIZE_MAX

# A person reads them all.
EXPLAINED = 20
OWNERS = ("customer", "subscription")


class Explain(Message):
    """The request of `support.explain`. Exactly one of `customer`, `subscription` and `invoice` is sent."""

    project: ExternalId
    customer: ExternalId | None = None
    subscription: ExternalId | None = None
    invoice: ExternalId | None = Field(default=None, validate_default=True)
    requests_before: RedemptionId | None = None
    holds_before: HoldId | None = None
    discounts_before: DiscountId | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX)] = EXPLAINED

    @field_validator("invoice")
    @classmethod
    def _is_one_subject(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is not None) + sum(was_given(info, each) for each in OWNERS) != 1:
            raise invalid("exactly one of customer, subscription and invoice must be given")
        return value
