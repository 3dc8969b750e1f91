"""The requests about invoices: applying discounts, previews and reversals."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from domain.plan import Interval
from domain.reversal import ReversalReason
from tasks.wire.fields import CurrencyCode, Day, ExternalId, LineAmount, PositiveAmount, invalid
from tasks.wire.message import BULK_MAX, Message

LINES_MAX = 1_000


class Period(Message):
    """A billing period in the subscription's own calendar, `end` exclusive."""

    start: Day
    end: Day

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: Any, info: ValidationInfo) -> Any:
        if "start" in info.data and value <= info.data["start"]:
            raise invalid("must be later than start")
        return value


class InvoiceLine(Message):
    """One line, in minor units; negative for a credit, which is never discounted."""

    id: ExternalId
    amount: LineAmount
    product: ExternalId | None = None
    discountable: bool = True


def check_line_ids(lines: list[InvoiceLine]) -> list[InvoiceLine]:
    """This function will return lines that can be told apart, or raise."""
    if len({line.id for line in lines}) < len(lines):
        raise invalid("must have an id of its own on each line")
    return lines


class Apply(Message):
    """`billing.apply`: an invoice before discounts. Without a period it is that of the day of application, in UTC."""

    project: ExternalId
    invoice: ExternalId
    subscription: ExternalId
    customer: ExternalId
    currency: CurrencyCode
    period: Period | None = None
    trial: bool = False
    lines: Annotated[list[InvoiceLine], Field(min_length=1, max_length=LINES_MAX)]

    _ids_differ = field_validator("lines")(check_line_ids)


class ApplyMany(Message):
    """`billing.apply_many`: each invoice is judged by itself, also as to whether it is valid."""

    invoices: Annotated[list[Any], Field(min_length=1, max_length=BULK_MAX)]


PERIODS_MAX = 36
TRIAL_PERIODS_MAX = 999
# With it the furthest period that can be asked for still lies in the calendar.
INTERVAL_COUNT_MAX = 52
# A plan, not an invoice: up to 400 periods of it are worked out.
PLAN_LINES_MAX = 100


class Plan(Message):
    """What the invoice of each period is, before discounts; the first `trialPeriods` from the anchor are trials."""

    interval: Annotated[Interval, Field(strict=False)]
    interval_count: Annotated[int, Field(ge=1, le=INTERVAL_COUNT_MAX)] = 1
    anchor: Day
    currency: CurrencyCode
    lines: Annotated[list[InvoiceLine], Field(min_length=1, max_length=PLAN_LINES_MAX)]
    trial_periods: Annotated[int, Field(ge=0, le=TRIAL_PERIODS_MAX)] = 0

    _ids_differ = field_validator("lines")(check_line_ids)


class Preview(Message):
    """`billing.preview`: the first `periods` that begin on `from` or later; without it on today, in UTC."""

    project: ExternalId
    subscription: ExternalId
    plan: Plan
    periods: Annotated[int, Field(ge=1, le=PERIODS_MAX)] = 12
    from_: Day | None = Field(default=None, alias="from")


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
