"""Parts of all adapters: messages in snake_case, and errors that name the fields as the other system does.

An adapter has no rules of its own. It translates the other system's request into a request of ours, calls our use case,
and translates the answer back. Errors and refusals stay ours, because there is no HTTP status to carry theirs.
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
    """The base of a request in snake_case, with one spelling of each field."""

    model_config = ConfigDict(alias_generator=None)
    spelling: ClassVar[Callable[[str], str]] = staticmethod(str)


def months_for(recurrence: str | None, months: int | None) -> int | None:
    """Return the months of a recurrence. Raises a field error if they are missing, or do not belong to it.

    The recurrence is None if that field is bad too.
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
    """Rename the bad fields in an InvalidRequest of our use case to the other system's names."""
    try:
        yield
    except InvalidRequest as error:
        raise renamed(error, names) from None


def renamed(error: InvalidRequest, names: Mapping[str, str]) -> InvalidRequest:
    """Return the error of our use case with the other system's names of the bad fields."""
    return InvalidRequest(
        [
            {"field": names.get(each["field"], each["field"]), "message": _reworded(each["message"], names=names)}
            for each in error.errors
        ]
    )


def _reworded(message: str, *, names: Mapping[str, str]) -> str:
    for ours, theirs in names.items():
        word = ours.rpartition(".")[2]
        # A name in lower case, as `products`, may be an ordinary word of the message.
        if not word.islower():
            message = re.sub(rf"\b{word}\b", theirs, message)
    return message


def unless_refused(answer: Answer, translate: Callable[[Answer], Answer]) -> Answer:
    """Return the translated answer, or a refusal as it is."""
    return answer if answer.get("outcome") == "refused" else translate(answer)


def in_one_phase(voucher: Answer) -> Answer:
    """Return a voucher for a system without phases: with the price of its first phase, for as long as all of them."""
    recurrence = voucher["recurrence"]
    if recurrence["phases"] is None:
        return voucher
    first, names = recurrence["phases"][0], ("priceDiscount", "priceDiscountPercentage")
    months = sum(each["durationInMonths"] or 0 for each in recurrence["phases"])
    return {
        **voucher,
        **{name: first[name] for name in names},
        "recurrence": {**recurrence, "durationInMonths": months or None},
    }


def plain_uuid(type_id: str) -> str:
    """Return the UUID of a TypeID, as text."""
    return str(UUID(bytes=TypeID.from_string(type_id).uuid_bytes))
