"""The requests that list and change vouchers."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from models.voucher_list import VoucherStatus
from tasks.fields import Code, ExternalId, VoucherId, invalid
from tasks.messages import Message

LIST_LIMIT_MAX = 200
LIST_LIMIT_DEFAULT = 10


class ListVouchers(Message):
    """`vouchers.list`: `after` and `before` are positions, whether or not there is a voucher of that id."""

    project: ExternalId
    status: Annotated[list[Annotated[VoucherStatus, Field(strict=False)]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: [VoucherStatus.AVAILABLE]
    )
    code: Code | None = None
    after: VoucherId | None = None
    before: VoucherId | None = None
    limit: Annotated[int, Field(ge=0, le=LIST_LIMIT_MAX)] = LIST_LIMIT_DEFAULT

    @field_validator("before")
    @classmethod
    def _one_direction(cls, value: Any, info: ValidationInfo) -> Any:
        # An `after` that failed by itself is not in the data, but it was given.
        if value is not None and info.data.get("after", value) is not None:
            raise invalid("must not be given together with after")
        return value
