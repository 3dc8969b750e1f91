"""The requests of the reports. Fields are camelCase on the wire."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from models.invoices.report import Grouping
from tasks.vouchers.filters import VoucherFilters
from tasks.wire.fields import VoucherId, in_calendar, invalid, parse_identity, storable
from tasks.wire.message import check_later
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE_MAX, Limit

CAMPAIGN_LENGTH_MAX = 255
_YEAR_AND_MONTH = re.compile(r"[1-9][0-9]{3}-(?:0[1-9]|1[0-2])")


def _parse_month(value: Any) -> date:
    if not isinstance(value, str) or not _YEAR_AND_MONTH.fullmatch(value):
        raise invalid("must be a month such as 2027-02")
    return in_calendar(date.fromisoformat(f"{value}-01"))


# The first day of the month.
Month = Annotated[date, BeforeValidator(_parse_month)]


def _parse_position(value: Any, info: ValidationInfo) -> str | None:
    if value is None:
        return None
    if info.data.get("group_by") is not Grouping.CAMPAIGN:
        return str(parse_identity(value, prefix="vou"))
    if not isinstance(value, str) or len(value) > CAMPAIGN_LENGTH_MAX:
        raise invalid("must be a campaign, or empty")
    return storable(value)


# The UUID of a voucher, or a campaign: empty for the vouchers without one.
Position = Annotated[str | None, BeforeValidator(_parse_position)]


class ReportDiscounts(VoucherFilters):
    """`reports.discounts`: of a voucher or of those of the filters, in the months [monthFrom, monthBefore).

    `after` and `before` are positions in the list of vouchers, or in that of campaigns.
    """

    voucher: VoucherId | None = None
    month_from: Month | None = None
    month_before: Month | None = None
    group_by: Annotated[Grouping, Field(strict=False)] = Grouping.VOUCHER
    after: Position = None
    before: Annotated[Position, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE_MAX

    @field_validator("month_before")
    @classmethod
    def _after_beginning_month(cls, value: date | None, info: ValidationInfo) -> date | None:
        check_later(info, value=value, than="month_from")
        return value
