"""The requests that discount an invoice."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from tasks.fields import CurrencyCode, Day, ExternalId, LineAmount, invalid
from tasks.messages import BULK_MAX, Message

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
