"""The types of fields on the wire: which values are accepted, and the Python values that they become.

No error message shows the value that was sent, because errors are shown in logs and in Flower.
"""

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from pydantic_extra_types.currency_code import Currency as KnownCurrency
from typeid import TypeID, base32
from typeid.errors import TypeIDException

from domain.code_text import CODE_PATTERN

PRODUCTS_MAX = 1_000
STAMPS_MAX = 1_000
# The type of our own errors, among those of pydantic.
INVALID = "invalid"
AMOUNT_MINOR_MAX = 999_999_999_999
# Of a recurrence, in months or in cycles.
DURATION_MAX = 999
NOTE_LENGTH_MAX = 500
NAME_LENGTH_MAX = 5_000
# Calendar arithmetic adds up to 999 months to a day, and an offset adds up to a day: both stay within year 9999.
YEAR_MIN, YEAR_MAX = 1970, 2999
UUID_TEXT_LENGTH = 36
DATE_TEXT_LENGTH = 10
PERCENTAGE_DECIMALS = 4
MILLIONTHS_PER_BASIS_POINT = 100
METADATA_KEYS_MAX, METADATA_KEY_LENGTH_MAX, METADATA_VALUE_LENGTH_MAX = 50, 40, 500
INTEGER_MAX = 2**63 - 1
FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# The offset is optional here, because the error message for a missing offset is another.
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
TYPED_CODE_LENGTH_MAX = 1_000
REPLACEMENT_CHARACTER = "\ufffd"
# White space, and characters of no width, which come along when a code is copied: format characters, among them all
# marks of direction, the combining grapheme joiner and the variation selectors.
BLANKS = "".join(
    each
    for each in map(chr, range(0x10000))
    if each.isspace() or unicodedata.category(each) == "Cf" or each == "\u034f" or "\ufe00" <= each <= "\ufe0f"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_DAY = TypeAdapter(date)
_INSTANT = TypeAdapter(datetime)
Parsed = TypeVar("Parsed")


def invalid(message: str) -> PydanticCustomError:
    """Return an error for pydantic to report of a field."""
    # Pydantic reads braces in a message as placeholders.
    return PydanticCustomError(INVALID, message.replace("{", "{{").replace("}", "}}"))


def type_id(prefix: str, identity: UUID) -> str:
    """Return an id as callers see it: the prefix, an underscore, and the UUID in base32."""
    return f"{prefix}_{base32.encode(identity.bytes)}"


def uuid_of(identity: str) -> UUID:
    """Return the UUID that a TypeID encodes."""
    return UUID(bytes=TypeID.from_string(identity).uuid_bytes)


def storable(value: str) -> str:
    """Return a text that PostgreSQL can store. Raises a field error for any other."""
    if "\x00" in value:
        raise invalid("must not contain a NUL character")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise invalid("must not contain half of a surrogate pair")
    return value


def _replace_surrogates(value: Any) -> Any:
    # A text field that is cut inside an emoji sends half of a pair, which UTF-8 cannot encode.
    if not isinstance(value, str) or value.isascii():
        return value
    return _SURROGATE.sub(REPLACEMENT_CHARACTER, value)


def _typed_code(value: str) -> str:
    return storable(value).strip(BLANKS)


def _known_currency(value: str) -> str:
    if value.upper() not in KnownCurrency.allowed_currencies:
        raise invalid("must be an ISO 4217 currency code")
    return value.upper()


def in_calendar(day: date) -> date:
    """Return the day. Raises a field error if the year is outside the range of calendar arithmetic."""
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise invalid(f"must lie between the years {YEAR_MIN} and {YEAR_MAX}")
    return day


def _parse_instant(value: Any) -> datetime:
    parsed = _parsed(_INSTANT, RFC_3339, value)
    if parsed is None:
        raise invalid("must be an RFC 3339 timestamp with an offset")
    if parsed.tzinfo is None:
        raise invalid("must have an offset: a timestamp without one is ambiguous")
    in_calendar(parsed.date())
    # Answers show the instant in UTC, and callers may send that back.
    in_calendar(parsed.astimezone(UTC).date())
    return parsed


def _parse_day(value: Any) -> date:
    if isinstance(value, str) and len(value) > DATE_TEXT_LENGTH:
        return _parse_instant(value).date()
    parsed = _parsed(_DAY, FULL_DATE, value)
    if parsed is None:
        raise invalid("must be a calendar date, or an RFC 3339 timestamp with an offset")
    return in_calendar(parsed)


def _parsed(adapter: TypeAdapter[Parsed], form: re.Pattern[str], value: Any) -> Parsed | None:
    # The form is checked first, because pydantic reads a number in a string as seconds since 1970.
    if not isinstance(value, str) or not form.fullmatch(value):
        return None
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


def _parse_percentage(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid("must be a number")
    # Of the shortest decimal text: 30.12 is then exactly that, and not the nearest binary fraction.
    exact = Decimal(repr(value))
    if not exact.is_finite() or not Decimal("0.0001") <= exact <= Decimal(100):
        raise invalid("must lie between 0.0001 and 100")
    millionths = exact.scaleb(PERCENTAGE_DECIMALS)
    if millionths != int(millionths):
        raise invalid("must have at most four decimals")
    return int(millionths)


def _as_fingerprinted(millionths: int) -> int | float:
    # Fingerprints were stored while percentages were whole basis points, and have to stay what they were.
    whole, rest = divmod(millionths, MILLIONTHS_PER_BASIS_POINT)
    return millionths / MILLIONTHS_PER_BASIS_POINT if rest else whole


def parse_identity(value: Any, *, prefix: str) -> UUID:
    """Return the UUID of a TypeID with the prefix, or of its plain text. Raises a field error for anything else."""
    try:
        if isinstance(value, str) and len(value) == UUID_TEXT_LENGTH:
            return UUID(value)
        parsed = TypeID.from_string(value) if isinstance(value, str) else None
    except (ValueError, TypeIDException):
        parsed = None
    if parsed is None or parsed.prefix != prefix:
        raise invalid(f"must be an id that starts with {prefix}_, or the UUID that it encodes")
    return UUID(bytes=parsed.uuid_bytes)


def _identity(prefix: str) -> BeforeValidator:
    return BeforeValidator(partial(parse_identity, prefix=prefix))


def _check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > METADATA_KEYS_MAX:
        raise invalid(f"must have at most {METADATA_KEYS_MAX} keys")
    for key, each in value.items():
        if not 1 <= len(key) <= METADATA_KEY_LENGTH_MAX:
            raise invalid(f"must have keys of 1 to {METADATA_KEY_LENGTH_MAX} characters")
        storable(key)
        _check_metadata_value(each)
    # The order of keys has no meaning in JSON, so two bodies that differ only in that have the same fingerprint.
    return dict(sorted(value.items()))


def _check_metadata_value(value: Any) -> None:
    match value:
        case str() if len(value) <= METADATA_VALUE_LENGTH_MAX:
            storable(value)
        case bool():
            pass
        case int() if abs(value) <= INTEGER_MAX:
            pass
        case float() if Decimal(value).is_finite():
            pass
        case _:
            raise invalid(
                f"must have values that are strings of at most {METADATA_VALUE_LENGTH_MAX} characters, "
                "64-bit integers, finite floats or booleans"
            )


ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(storable)]
# A name is only shown. An index of names has their first characters.
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX), AfterValidator(storable)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=CODE_PATTERN)]
# A code as a customer types it. Whatever no code can be is a code that does not exist, not a bad field.
TypedCode = Annotated[
    str,
    StringConstraints(max_length=TYPED_CODE_LENGTH_MAX),
    BeforeValidator(_replace_surrogates),
    AfterValidator(_typed_code),
]
CurrencyCode = Annotated[str, AfterValidator(_known_currency)]
PositiveAmount = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
Subtotal = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]
LineAmount = Annotated[int, Field(ge=-AMOUNT_MINOR_MAX, le=AMOUNT_MINOR_MAX)]
Months = Annotated[int, Field(ge=1, le=DURATION_MAX)]
Cycles = Annotated[int, Field(ge=1, le=DURATION_MAX)]
Note = Annotated[str, StringConstraints(min_length=1, max_length=NOTE_LENGTH_MAX), AfterValidator(storable)]
Count = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
# In millionths.
Percentage = Annotated[
    int, BeforeValidator(_parse_percentage), PlainSerializer(_as_fingerprinted, when_used="json-unless-none")
]
InstantField = Annotated[datetime, BeforeValidator(_parse_instant)]
Day = Annotated[date, BeforeValidator(_parse_day)]
VoucherId = Annotated[UUID, _identity("vou")]
VoucherChangeId = Annotated[UUID, _identity("cha")]
CodeId = Annotated[UUID, _identity("voc")]
DiscountId = Annotated[UUID, _identity("dis")]
UsageId = Annotated[UUID, _identity("use")]
HoldId = Annotated[UUID, _identity("hol")]
RedemptionId = Annotated[UUID, _identity("red")]
ReversalId = Annotated[UUID, _identity("rev")]
GenerationId = Annotated[UUID, _identity("gen")]
DeadLetterId = Annotated[UUID, _identity("dea")]
Metadata = Annotated[dict[str, Any], AfterValidator(_check_metadata)]
