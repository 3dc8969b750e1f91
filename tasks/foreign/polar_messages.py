"""The requests of Polar's discounts: four schemas to create, a fifth to update, and parameters.

Earlier versions have `amount` and `currency`, later ones `amounts`. Unknown fields are ignored, as Polar ignores them.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tasks.foreign.adapter import LowerCaseCurrency, SnakeCaseMessage, months_for
from tasks.wire.fields import (
    AMOUNT_MINOR_MAX,
    PRODUCTS_MAX,
    Count,
    ExternalId,
    InstantField,
    Metadata,
    Months,
    Name,
    Subtotal,
    VoucherId,
    invalid,
)
from tasks.wire.message import check_later, was_given
from worker.intake.named_projects import left_out_organization

CODE_LENGTH_MIN, CODE_LENGTH_MAX = 3, 256
# Larger limits are reduced to this value, as in Polar.
LIMIT_MAX = 100
BASIS_POINTS_MAX = 10_000
# Polar takes such a timestamp as one in UTC.
WITHOUT_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?", re.ASCII)


def _parse_code(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    code = value.strip()
    if not code:
        return None
    if not (code.isascii() and code.isalnum()):
        raise invalid("must contain only the letters A to Z and digits")
    if not CODE_LENGTH_MIN <= len(code) <= CODE_LENGTH_MAX:
        raise invalid(f"must be between {CODE_LENGTH_MIN} and {CODE_LENGTH_MAX} characters long")
    return code


def _utc_without_offset(value: Any) -> Any:
    return f"{value}Z" if isinstance(value, str) and WITHOUT_OFFSET.fullmatch(value) else value


def _no_empty_texts(metadata: dict[str, Any]) -> dict[str, Any]:
    if "" in metadata.values():
        raise invalid("must have no empty value")
    return metadata


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _newest_first_if_null(value: Any) -> Any:
    return NEWEST_FIRST if value is None else value


def _check_one_price(value: int | None, info: ValidationInfo) -> int | None:
    if value is not None and was_given(info, "amounts"):
        raise invalid("must not be given with amounts")
    return value


PolarInstant = Annotated[InstantField, BeforeValidator(_utc_without_offset)]
PolarCode = Annotated[str | None, BeforeValidator(_parse_code)]
PolarMetadata = Annotated[Metadata, AfterValidator(_no_empty_texts)]
BasisPointsCount = Annotated[int, Field(ge=1, le=BASIS_POINTS_MAX)]
Products = Annotated[list[ExternalId], Field(max_length=PRODUCTS_MAX)]
Duration = Literal["once", "forever", "repeating"]
Kind = Literal["fixed", "percentage"]
Amounts = Annotated[dict[LowerCaseCurrency, Subtotal], Field(min_length=1)]

Sorting = Literal[
    "created_at",
    "-created_at",
    "name",
    "-name",
    "code",
    "-code",
    "redemptions_count",
    "-redemptions_count",
    "ends_at",
    "-ends_at",
]
NEWEST_FIRST: list[Sorting] = ["-created_at"]


class PolarMessage(SnakeCaseMessage):
    """The base of the requests of Polar."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _of_the_usual_organization(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or (organization := left_out_organization(data)) is None:
            return data
        return {**data, "organization_id": organization}


class DiscountTerms(PolarMessage):
    """The fields that creating and updating share."""

    code: PolarCode = None
    starts_at: PolarInstant | None = None
    ends_at: PolarInstant | None = None
    max_redemptions: Count | None = None
    max_redemptions_per_customer: Count | None = None
    products: Products | None = None
    amounts: Amounts | None = None

    @field_validator("ends_at")
    @classmethod
    def _ends_after_start(cls, value: Any, info: ValidationInfo) -> Any:
        check_later(info, value=value, than="starts_at", spelling=str)
        return value


class CreateDiscount(DiscountTerms):
    """`polar.discounts.create`: `POST /v1/discounts/`, in the four schemas of `type` and `duration`."""

    organization_id: ExternalId
    name: Name
    type: Kind
    duration: Duration
    duration_in_months: Months | None = Field(default=None, validate_default=True)
    amount: Subtotal | None = Field(default=None, validate_default=True)
    currency: LowerCaseCurrency | None = None
    basis_points: BasisPointsCount | None = Field(default=None, validate_default=True)
    metadata: PolarMetadata = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _ignore_other_schemas(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        ignored = set()
        if data.get("type") == "fixed":
            ignored |= {"basis_points"}
        if data.get("type") == "percentage":
            ignored |= {"amount", "currency", "amounts"}
        if data.get("duration") in ("once", "forever"):
            ignored |= {"duration_in_months"}
        return {name: value for name, value in data.items() if name not in ignored}

    @field_validator("duration_in_months")
    @classmethod
    def _fits_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        return months_for(info.data.get("duration"), value)

    @field_validator("amount")
    @classmethod
    def _with_fixed(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("type") == "fixed" and not was_given(info, "amounts"):
            raise invalid("must be given with fixed, or amounts must")
        return _check_one_price(value, info)

    @field_validator("basis_points")
    @classmethod
    def _with_percentage(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("type") == "percentage":
            raise invalid("must be given with percentage")
        return value


class UpdateDiscount(DiscountTerms):
    """`polar.discounts.update`: `PATCH /v1/discounts/{id}`, the fifth schema.

    A field that is not sent stays as it is. Null removes a code, a date or a limit, and changes no other field.
    """

    organization_id: ExternalId
    id: VoucherId
    name: Name | None = None
    type: Kind | None = None
    duration: Duration | None = None
    duration_in_months: Months | None = None
    amount: Subtotal | None = None
    currency: LowerCaseCurrency | None = None
    basis_points: BasisPointsCount | None = None
    metadata: PolarMetadata | None = None

    _one_price = field_validator("amount")(_check_one_price)

    @property
    def project(self) -> str:
        """The tenant."""
        return self.organization_id

    @property
    def request_id(self) -> None:
        """None, because the bodies of Polar have no idempotency key."""

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the body, in which null differs from a missing field."""
        return hashlib.sha256(self.model_dump_json(exclude_unset=True).encode()).digest()


class DiscountReference(PolarMessage):
    """`polar.discounts.retrieve` and `polar.discounts.delete`: `/v1/discounts/{id}`."""

    organization_id: ExternalId
    id: VoucherId


class ListDiscounts(PolarMessage):
    """`polar.discounts.list`: `GET /v1/discounts/`."""

    organization_id: ExternalId
    query: Annotated[ExternalId | None, BeforeValidator(_none_if_empty)] = None
    page: Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)] = 1
    limit: Annotated[int, Field(ge=1), AfterValidator(lambda value: min(value, LIMIT_MAX))] = 10
    sorting: Annotated[list[Sorting], Field(max_length=8), BeforeValidator(_newest_first_if_null)] = NEWEST_FIRST
