"""The requests to discount invoices, to preview them and to reverse them."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from domain.eligibility import DISCOUNTS_PER_SUBSCRIPTION_MAX
from domain.plan import Interval
from domain.reversal import ReversalKind
from tasks.redemptions.messages import CodeUnlessVoucher
from tasks.wire.fields import CurrencyCode, Day, ExternalId, LineAmount, PositiveAmount, ReversalId, VoucherId, invalid
from tasks.wire.message import BULK_MAX, Message, SignedMessage
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit, one_owner
from tasks.wire.period import Period

LINES_MAX = 1_000


class CreditedLine(Message):
    """A line of an earlier invoice of the project."""

    invoice: ExternalId
    line: ExternalId


class InvoiceLine(Message):
    """A line, in minor units. A negative line is never discounted.

    With `creditOf`, it gives back a part of a line of an earlier invoice, and that part's share of the discount.
    """

    id: ExternalId
    amount: LineAmount
    product: ExternalId | None = None
    discountable: bool = True
    credit_of: CreditedLine | None = None

    @field_validator("credit_of")
    @classmethod
    def _is_negative(cls, value: CreditedLine | None, info: ValidationInfo) -> CreditedLine | None:
        # An amount that is invalid by itself is missing in the data.
        if value is not None and info.data.get("amount", -1) >= 0:
            raise invalid("must be given with a negative amount only")
        return value


def check_line_ids(lines: list[InvoiceLine]) -> list[InvoiceLine]:
    """Return the lines if their ids differ, else raise a field error."""
    if len({line.id for line in lines}) < len(lines):
        raise invalid("must have an id of its own on each line")
    return lines


class Apply(Message):
    """The request of `billing.apply`: an invoice before discounts.

    `cycle` is the billing cycle of the subscription to which the invoice belongs. If it is missing, it is `period`, and
    if that is missing too, today in UTC.
    """

    project: ExternalId
    invoice: ExternalId
    subscription: ExternalId
    customer: ExternalId
    currency: CurrencyCode
    period: Period | None = None
    trial: bool = False
    lines: Annotated[list[InvoiceLine], Field(min_length=1, max_length=LINES_MAX)]
    cycle: Period | None = None

    _ids_differ = field_validator("lines")(check_line_ids)


class ApplyMany(Message):
    """The request of `billing.apply_many`. Items are parsed one by one: an invalid item does not affect the others."""

    invoices: Annotated[list[Any], Field(min_length=1, max_length=BULK_MAX)]


PERIODS_MAX = 36
TRIAL_PERIODS_MAX = 999
# Python's calendar ends in the year 9999. With 36 periods of 52 years, no period of a preview goes beyond that.
INTERVAL_COUNT_MAX = 52
# Fewer than an invoice may have: a preview computes up to 400 periods of the plan.
PLAN_LINES_MAX = 100
# No subscription has more.
REDEEM_MAX = DISCOUNTS_PER_SUBSCRIPTION_MAX


class Plan(Message):
    """The plan of a preview: the same invoice for each period. The first `trialPeriods` from the anchor are trials."""

    interval: Annotated[Interval, Field(strict=False)]
    interval_count: Annotated[int, Field(ge=1, le=INTERVAL_COUNT_MAX)] = 1
    anchor: Day
    currency: CurrencyCode
    lines: Annotated[list[InvoiceLine], Field(min_length=1, max_length=PLAN_LINES_MAX)]
    trial_periods: Annotated[int, Field(ge=0, le=TRIAL_PERIODS_MAX)] = 0

    _ids_differ = field_validator("lines")(check_line_ids)

    @field_validator("lines")
    @classmethod
    def _credit_nothing(cls, value: list[InvoiceLine]) -> list[InvoiceLine]:
        if any(line.credit_of is not None for line in value):
            raise invalid("must not have creditOf, because a plan is billed many times")
        return value


class VoucherToRedeem(Message):
    """A voucher that a preview redeems: exactly one of `voucher` and `code` is sent."""

    voucher: VoucherId | None = None
    code: CodeUnlessVoucher = Field(default=None, validate_default=True)
    starts_on: Day | None = None
    is_first_purchase: bool = False


class Preview(Message):
    """The request of `billing.preview`: the first `periods` that begin on `from` (default: today in UTC) or later.

    A period that begins inside `cycle` belongs to that billing cycle. Any other period is a cycle of its own.
    The vouchers of `redeem` count as redeemed now, in that order. A customer who has no subscription yet, or whom
    nobody knows yet, can see the price.
    """

    project: ExternalId
    subscription: ExternalId | None = None
    customer: ExternalId | None = None
    plan: Plan
    periods: Annotated[int, Field(ge=1, le=PERIODS_MAX)] = 12
    from_: Day | None = Field(default=None, alias="from")
    cycle: Period | None = None
    redeem: Annotated[list[VoucherToRedeem], Field(max_length=REDEEM_MAX)] = Field(default_factory=list)


class InvoiceReference(Message):
    """The request of `billing.retrieve`."""

    project: ExternalId
    invoice: ExternalId


class ListInvoices(Message):
    """The request of `billing.list`. At least one owner is given. `after` and `before` are discounted invoices."""

    project: ExternalId
    subscription: ExternalId | None = None
    customer: Annotated[ExternalId | None, one_owner("subscription")] = Field(default=None, validate_default=True)
    after: ExternalId | None = None
    before: Annotated[ExternalId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


class ListReversals(Message):
    """The request of `reversals.list`. At least one owner is given."""

    project: ExternalId
    invoice: ExternalId | None = None
    subscription: ExternalId | None = None
    customer: Annotated[ExternalId | None, one_owner("invoice", "subscription")] = Field(
        default=None, validate_default=True
    )
    kind: Annotated[
        list[Annotated[ReversalKind, Field(strict=False)]], Field(min_length=1, max_length=len(ReversalKind))
    ] = Field(default_factory=lambda: list(ReversalKind))
    after: ReversalId | None = None
    before: Annotated[ReversalId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


class RefundedLine(Message):
    """The refunded amount of a line, before discounts, in minor units."""

    id: ExternalId
    amount: PositiveAmount


class ReverseInvoice(SignedMessage):
    """The request of `billing.reverse`. A refund needs lines, and a request id, because two refunds may be equal."""

    project: ExternalId
    invoice: ExternalId
    kind: Annotated[ReversalKind, Field(strict=False)]
    request_id: ExternalId | None = Field(default=None, validate_default=True)
    lines: Annotated[list[RefundedLine], Field(min_length=1, max_length=LINES_MAX)] | None = Field(
        default=None, validate_default=True
    )

    @field_validator("request_id")
    @classmethod
    def _tells_refunds_apart(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("kind") is ReversalKind.REFUNDED:
            raise invalid("must be given with refunded")
        return value

    @field_validator("lines")
    @classmethod
    def _with_refunds_only(cls, value: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("kind")
        if kind is not None and (value is not None) != (kind is ReversalKind.REFUNDED):
            raise invalid("must be given with refunded, and only then")
        return value

    @field_validator("lines")
    @classmethod
    def _ids_differ(cls, value: list[RefundedLine] | None) -> list[RefundedLine] | None:
        if value is not None and len({line.id for line in value}) < len(value):
            raise invalid("must have an id of its own on each line")
        return value
