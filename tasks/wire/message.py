"""The base of every request: strict, camelCase on the wire, with a fingerprint of its body."""

import hashlib
from collections.abc import Callable
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo
from pydantic.alias_generators import to_camel

from tasks.wire.fields import invalid

BULK_MAX = 1_000


class Message(BaseModel):
    """The base of every request: unknown fields are refused, and no number or text is converted silently."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
    )
    # How the fields are spelt where pydantic names them as they are called inside.
    spelling: ClassVar[Callable[[str], str]] = staticmethod(to_camel)

    def fingerprint(self) -> bytes:
        """This function will return what two requests with the same body have in common: 32 bytes.

        A field that is left out counts as its default, so that a field added later changes no old fingerprint.
        The fields count in the order in which they are declared: do not move them.
        """
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).digest()


def was_given(info: ValidationInfo, name: str) -> bool:
    """Return whether an earlier field was sent. A field that failed by itself is not in the data, but it was sent."""
    # A field that failed by itself is not in the data: it was given.
    return info.data.get(name, name) is not None


def check_exactly_one(info: ValidationInfo, *, value: object, other: str) -> None:
    """Raise unless exactly one of the validated field and another, earlier one was sent."""
    if (value is not None) == was_given(info, other):
        raise invalid(f"exactly one of {to_camel(other)} and {to_camel(info.field_name or '')} must be given")
