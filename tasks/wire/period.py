"""A period of a request: two days, the second of them exclusive."""

from typing import Any

from pydantic import ValidationInfo, field_validator

from tasks.wire.fields import Day
from tasks.wire.message import Message, check_later


class Period(Message):
    """A period in the subscription's own calendar, `end` exclusive: that of an invoice, or a billing cycle."""

    start: Day
    end: Day

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: Any, info: ValidationInfo) -> Any:
        check_later(info, value=value, than="start")
        return value
