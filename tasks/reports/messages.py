"""The requests of the reports. Fields are camelCase on the wire."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, field_validator

from tasks.wire.fields import ExternalId, VoucherId, in_calendar, invalid
from tasks.wire.message import Message, check_later
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE_MAX, Limit

_YEAR_AND_MONTH = re.compile(r"[1-9][0-9]{3}-(?:0[1-9]|1[0-2])")


def _parse_month(value: Any) -> date:
    if not isinstance(value, str) or not _YEAR_AND_MONTH.fullmatch(value):
        raise invalid("must be a month such as 2027-02")
    return in_calendar(date.fromisoformat(f"{value}-01"))


# The first day of the month.
Month = Annotated[date, BeforeValidator(_parse_month)]


class ReportDiscounts(Message):
    """`reports.discounts`: of a voucher or of all, in the months [monthFrom, monthBefore)."""

    project: ExternalId
    voucher: VoucherId | None = None
    month_from: Month | None = None
    month_before: Month | None = None
    after: VoucherId | None = None
    before: Annotated[VoucherId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE_MAX

    @field_validator("month_before")
    @classmethod
    def _after_beginning(cls, value: date | None, info: ValidationInfo) -> date | None:
        check_later(info, value=value, than="month_from")
        return value
