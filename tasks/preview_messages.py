"""The requests that look ahead: what a subscription will be billed, and what discounts will cost."""

from typing import Annotated

from pydantic import Field, field_validator

from domain.plan import Interval
from tasks.fields import CurrencyCode, Day, ExternalId, VoucherId
from tasks.invoice_messages import InvoiceLine, check_line_ids
from tasks.messages import Message

PERIODS_MAX = 36
MONTHS_MAX = 24
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


class Forecast(Message):
    """`vouchers.forecast`: so many calendar months from that of `from`, which is today in UTC where it is left out."""

    project: ExternalId
    voucher: VoucherId | None = None
    months: Annotated[int, Field(ge=1, le=MONTHS_MAX)] = 12
    from_: Day | None = Field(default=None, alias="from")
