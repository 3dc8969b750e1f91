"""What the adapters share: requests spelt as another system's documents spell them, and our answers put in its words.

An adapter has no rule of its own. It reads the other system's request, says the same in our words to our use case,
and says our answer in its words. Errors and refusals stay ours: there is no HTTP here whose status could carry theirs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict
from typeid import TypeID

from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import CurrencyCode, invalid
from tasks.wire.message import Message


class SnakeCaseMessage(Message):
    """The base of a request in snake_case, which has one spelling for each field."""

    model_config = ConfigDict(alias_generator=None)
    spelling: ClassVar[Callable[[str], str]] = staticmethod(str)


def months_for(recurrence: str | None, months: int | None) -> int | None:
    """This function will return the months of a recurrence, or raise where they are missing or out of place.

    The recurrence is None where it is a bad field itself.
    """
    if recurrence == "repeating" and months is None:
        raise invalid("must be given with repeating")
    if recurrence in {"once", "forever"} and months is not None:
        raise invalid("must be given with repeating only")
    return months


def _lower_case(value: Any) -> Any:
    if isinstance(value, str) and value != value.lower():
        raise invalid("must be a lower-case ISO 4217 currency code")
    return value


LowerCaseCurrency = Annotated[CurrencyCode, BeforeValidator(_lower_case)]


@contextmanager
def fields_named(names: Mapping[str, str]) -> Iterator[None]:
    """This context will name the bad fields that our use case finds as the caller has spelt them."""
    try:
        yield
    except InvalidRequest as error:
        renamed = [
            {"field": names.get(each["field"], each["field"]), "message": _reworded(each["message"], names=names)}
            for each in error.errors
        ]
        raise InvalidRequest(renamed) from None


def _reworded(message: str, *, names: Mapping[str, str]) -> str:
    """This function will say a message in the caller's names of the fields that it compares."""
    for ours, theirs in names.items():
        word = ours.rpartition(".")[2]
        # What is spelt like any other word may be one.
        if not word.islower():
            message = re.sub(rf"\b{word}\b", theirs, message)
    return message


def unless_refused(answer: Answer, translate: Callable[[Answer], Answer]) -> Answer:
    """This function will put an answer in the other system's words, and leave a refusal in ours."""
    return answer if answer.get("outcome") == "refused" else translate(answer)


def plain_uuid(type_id: str) -> str:
    """This function will return the UUID that an id of ours encodes, as text."""
    return str(UUID(bytes=TypeID.from_string(type_id).uuid_bytes))
