"""The requests about holds. Field names are camelCase on the wire; snake_case is accepted too."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from tasks.fields import ExternalId, HoldId, invalid
from tasks.messages import Message, Redeem

TTL_DEFAULT_SECONDS = 15 * 60
TTL_MAX_SECONDS = 7 * 24 * 60 * 60


class Reserve(Redeem):
    """`redemptions.reserve`: as `redemptions.redeem`, and for how many seconds the place is held."""

    ttl: Annotated[int, Field(ge=1, le=TTL_MAX_SECONDS)] = TTL_DEFAULT_SECONDS


class HoldReference(Message):
    """`redemptions.confirm` and `redemptions.release`: exactly one of `hold` and the `requestId` that it was given."""

    project: ExternalId
    hold: HoldId | None = None
    request_id: ExternalId | None = Field(default=None, validate_default=True)

    @field_validator("request_id")
    @classmethod
    def _one_reference(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A field that failed by itself is not in the data: it was given.
        if (value is not None) == (info.data.get("hold", ...) is not None):
            raise invalid("exactly one of hold and requestId must be given")
        return value


class Validate(Redeem):
    """`redemptions.validate`: as `redemptions.redeem`, with or without the id that it would be sent under."""

    # A field less, and the same places for the rest.
    request_id: ExternalId | None = None  # type: ignore[assignment]
