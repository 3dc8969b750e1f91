"""The requests of the tasks on codes."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from domain.code_pattern import ALPHABET, LENGTH, SINGLE_USE_BITS_MIN, CodePattern
from models.codes.listing import CodeStatus
from tasks.wire.fields import Code, CodeId, Count, ExternalId, GenerationId, InstantField, VoucherId, invalid
from tasks.wire.message import BULK_MAX, Message, SignedMessage, check_exactly_one
from tasks.wire.pages import ONE_DIRECTION, PAGE_SIZE, Limit

CODE_LENGTH_MIN, CODE_LENGTH_MAX = 3, 256
GENERATED_MAX = 1_000_000
TOO_FEW_CODES = "must not exceed half of the codes of this pattern that nobody holds"


def _differ_in_more_than_case(value: str) -> str:
    if len(set(value.lower())) < len(value):
        raise invalid("must name each character once, without regard to case")
    return value


Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,253}$")]
Alphabet = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{2,64}$"), AfterValidator(_differ_in_more_than_case)
]


class NewCode(Message):
    """A new code with its own limits, and the only customer who may use it."""

    code: Code
    maximum_redemptions: Count | None = None
    expires_at: InstantField | None = None
    customer: ExternalId | None = None
    maximum_redemptions_per_customer: Count | None = None


class AddCodes(SignedMessage):
    """`vouchers.add_codes`: all codes are added or none."""

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


class GenerateCodes(SignedMessage):
    """`vouchers.generate_codes`: a prefix and `length` characters of an alphabet, for a single use by default."""

    project: ExternalId
    voucher: VoucherId
    request_id: ExternalId | None = None
    maximum_redemptions: Count | None = 1
    expires_at: InstantField | None = None
    customer: ExternalId | None = None
    prefix: Prefix = ""
    alphabet: Alphabet = ALPHABET
    length: Annotated[int, Field(ge=1, le=CODE_LENGTH_MAX)] = Field(default=LENGTH, validate_default=True)
    count: Annotated[int, Field(ge=1, le=GENERATED_MAX)]
    maximum_redemptions_per_customer: Count | None = None

    @field_validator("length")
    @classmethod
    def _makes_a_safe_code(cls, value: int, info: ValidationInfo) -> int:
        if {"prefix", "alphabet", "maximum_redemptions"} <= info.data.keys():
            pattern = _pattern(info, length=value)
            if not CODE_LENGTH_MIN <= len(pattern.prefix) + value <= CODE_LENGTH_MAX:
                raise invalid(f"must make codes of {CODE_LENGTH_MIN} to {CODE_LENGTH_MAX} characters with the prefix")
            if info.data["maximum_redemptions"] == 1 and not pattern.is_safe_for_single_use():
                raise invalid(f"must give codes for one use at least {SINGLE_USE_BITS_MIN} bits with this alphabet")
        return value

    @field_validator("count")
    @classmethod
    def _is_possible(cls, value: int, info: ValidationInfo) -> int:
        if {"alphabet", "length"} <= info.data.keys():
            pattern = _pattern(info, length=info.data["length"])
            if not pattern.can_yield(value, taken_in_sample=0, sample_size=1):
                raise invalid(TOO_FEW_CODES)
        return value


def _pattern(info: ValidationInfo, *, length: int) -> CodePattern:
    return CodePattern(prefix=info.data.get("prefix", ""), alphabet=info.data["alphabet"], length=length)


class GenerationReference(Message):
    """`generations.retrieve`: exactly one of `generation` and the `requestId` of the generation is sent."""

    project: ExternalId
    generation: GenerationId | None = None
    request_id: ExternalId | None = Field(default=None, validate_default=True)

    @field_validator("request_id")
    @classmethod
    def _names_one_generation(cls, value: str | None, info: ValidationInfo) -> str | None:
        check_exactly_one(info, value=value, other="generation")
        return value


class RetireCode(SignedMessage):
    """`codes.retire`."""

    project: ExternalId
    code: CodeId


class ListCodes(Message):
    """`codes.list`: `after` and `before` are positions, even if no code has that id."""

    project: ExternalId
    voucher: VoucherId
    status: Annotated[list[Annotated[CodeStatus, Field(strict=False)]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: [CodeStatus.AVAILABLE]
    )
    after: CodeId | None = None
    before: Annotated[CodeId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE
