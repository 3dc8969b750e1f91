"""The fields by which lists and reports of vouchers are filtered."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo, field_validator

from models.vouchers.filter import VoucherFilter
from tasks.wire.fields import ExternalId, InstantField, Metadata, Name, invalid
from tasks.wire.message import Message, check_later


def _one_pair(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) != 1:
        raise invalid("must have exactly one key")
    return value


class VoucherFilters(Message):
    """The filters of a list of vouchers: all are optional, and narrow the list together. `name` is a beginning."""

    project: ExternalId
    campaign: ExternalId | None = None
    name: Name | None = None
    metadata: Annotated[Metadata, AfterValidator(_one_pair)] | None = None
    created_from: InstantField | None = None
    created_before: InstantField | None = None

    @field_validator("created_before")
    @classmethod
    def _after_beginning(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        check_later(info, value=value, than="created_from")
        return value

    def filter(self) -> VoucherFilter:
        """Return the filter that the fields describe."""
        return VoucherFilter(
            campaign=self.campaign,
            metadata=None if self.metadata is None else next(iter(self.metadata.items())),
            name=self.name,
            created_from=self.created_from,
            created_before=self.created_before,
        )
