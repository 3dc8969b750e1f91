"""The base of every request: strict, camelCase on the wire, with a fingerprint of the body."""

import hashlib
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo
from pydantic.alias_generators import to_camel

from tasks.wire.fields import ExternalId, invalid

BULK_MAX = 1_000


class Message(BaseModel):
    """The base of every request: unknown fields are refused, and no value is converted silently."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
    )
    # The spelling of a field on the wire, for errors in which pydantic uses the Python name.
    spelling: ClassVar[Callable[[str], str]] = staticmethod(to_camel)

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the body, 32 bytes: requests with the same body have the same fingerprint.

        A missing field counts as the default, so a field that is added later changes no stored fingerprint.
        The order in which the fields are declared counts: do not move them.
        """
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).digest()


class SignedMessage(Message):
    """The base of a request that an operator sends, with the operator's name for the history."""

    actor: ExternalId | None = None

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the body without the actor, 32 bytes: who asks does not change what is asked for."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True, exclude={"actor"}).encode()).digest()


def was_given(info: ValidationInfo, name: str) -> bool:
    """Return whether an earlier field was sent with a value other than null."""
    # A field that is invalid by itself was sent, but is missing in the data.
    return info.data.get(name, name) is not None


def check_exactly_one(info: ValidationInfo, *, value: object, other: str) -> None:
    """Check that either the validated field or the earlier field `other` was sent. Raises a field error if not."""
    if (value is not None) == was_given(info, other):
        raise invalid(f"exactly one of {to_camel(other)} and {to_camel(info.field_name or '')} must be given")


def check_later(info: ValidationInfo, *, value: Any, than: str, spelling: Callable[[str], str] = to_camel) -> None:
    """Check that the validated value is later than that of the earlier field `than`, if both were given.

    Raises a field error if not. `spelling` is how the caller spells the field.
    """
    beginning = info.data.get(than)
    if value is not None and beginning is not None and value <= beginning:
        raise invalid(f"must be later than {spelling(than)}")
