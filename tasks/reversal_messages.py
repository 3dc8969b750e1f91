"""The request that takes back what was taken off an invoice."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from domain.reversal import ReversalReason
from tasks.fields import ExternalId, PositiveAmount, invalid
from tasks.invoice_messages import LINES_MAX
from tasks.messages import Message


class RefundedLine(Message):
    """What is refunded of one line of the invoice, in minor units of the line's amount before discounts."""

    id: ExternalId
    amount: PositiveAmount


class ReverseInvoice(Message):
    """`billing.reverse`: `requestId` and `lines` with a refund, since two of them may be equal."""

    project: ExternalId
    invoice: ExternalId
    reason: Annotated[ReversalReason, Field(strict=False)]
    request_id: ExternalId | None = Field(default=None, validate_default=True)
    lines: Annotated[list[RefundedLine], Field(min_length=1, max_length=LINES_MAX)] | None = Field(
        default=None, validate_default=True
    )
    # A payment that failed was never had; one that was charged back was, and taken away again.
    charged_back: bool = False

    @field_validator("request_id")
    @classmethod
    def _tells_refunds_apart(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("reason") is ReversalReason.REFUNDED:
            raise invalid("must be given with refunded")
        return value

    @field_validator("lines")
    @classmethod
    def _with_refunds_only(cls, value: Any, info: ValidationInfo) -> Any:
        reason = info.data.get("reason")
        if reason is not None and (value is not None) != (reason is ReversalReason.REFUNDED):
            raise invalid("must be given with refunded, and only then")
        return value

    @field_validator("charged_back")
    @classmethod
    def _with_failed_payments_only(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's way
        if value and info.data.get("reason", ReversalReason.PAYMENT_FAILED) is not ReversalReason.PAYMENT_FAILED:
            raise invalid("must be given with payment_failed only")
        return value

    @field_validator("lines")
    @classmethod
    def _ids_differ(cls, value: list[RefundedLine] | None) -> list[RefundedLine] | None:
        if value is not None and len({line.id for line in value}) < len(value):
            raise invalid("must have an id of its own on each line")
        return value
