"""The requests about codes. Field names are camelCase on the wire; snake_case is accepted too."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from models.code_listing import CodeStatus
from tasks.fields import Code, CodeId, Count, ExternalId, InstantField, VoucherId, invalid
from tasks.messages import BULK_MAX, Message

LIST_LIMIT_MAX = 200
LIST_LIMIT_DEFAULT = 10


class NewCode(Message):
    """A code with its own limits, which do not exceed its voucher's, and who alone may use it."""

    code: Code
    maximum_redemptions: Count | None = None
    expires_at: InstantField | None = None
    customer: ExternalId | None = None


class AddCodes(Message):
    """`vouchers.add_codes`: all of them or none."""

    project: ExternalId
    voucher: VoucherId
    request_id: ExternalId | None = None
    codes: Annotated[list[NewCode], Field(min_length=1, max_length=BULK_MAX)]

    @field_validator("codes")
    @classmethod
    def _texts_differ(cls, value: list[NewCode]) -> list[NewCode]:
        if len({each.code.lower() for each in value}) < len(value):
            raise invalid("must name each code once, without regard to case")
        return value


class CodeReference(Message):
    """`codes.retire`."""

    project: ExternalId
    code: CodeId


class ListCodes(Message):
    """`codes.list`: newest first, from a cursor on in one direction; it is just a position."""

    project: ExternalId
    voucher: VoucherId
    status: Annotated[list[Annotated[CodeStatus, Field(strict=False)]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: [CodeStatus.AVAILABLE]
    )
    after: CodeId | None = None
    before: CodeId | None = None
    limit: Annotated[int, Field(ge=0, le=LIST_LIMIT_MAX)] = LIST_LIMIT_DEFAULT

    @field_validator("before")
    @classmethod
    def _one_direction(cls, value: Any, info: ValidationInfo) -> Any:
        # An `after` that failed by itself is not in the data, but it was given.
        if value is not None and info.data.get("after", value) is not None:
            raise invalid("must not be given together with after")
        return value
