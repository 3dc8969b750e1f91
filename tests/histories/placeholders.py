"""Random histories: placeholders in drawn bodies, filled in when a body is sent.

A body is drawn before the history runs, so it cannot have the id of a voucher or an instant of the run.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

Json = dict[str, Any]
UNKNOWN_DISCOUNT = "dis_01m802aq92e78rshs8mnssdx40"


@dataclass(frozen=True)
class Minutes:
    """An instant `count` minutes after the history's start, written with an offset of `offset` hours."""

    count: int
    offset: int = 0


@dataclass(frozen=True)
class Nth:
    """The id of a voucher, counted from the first and starting over after the last."""

    index: int


@dataclass(frozen=True)
class NthCard:
    """The id of a voucher with a stamp card, counted in the same way, or of any voucher if there is no card."""

    index: int


@dataclass(frozen=True)
class NthCode:
    """The text of a code, counted in the same way, in capitals."""

    index: int


@dataclass(frozen=True)
class NthInvoice:
    """The id of an applied invoice, counted in the same way, or an unknown id if there is none."""

    index: int


@dataclass(frozen=True)
class NthDiscount:
    """The id of a discount, counted in the same way from the newest, or an unknown id if there is none."""

    index: int


@dataclass(frozen=True)
class DaysFromNow:
    """The calendar day `count` days after the history's start, in UTC."""

    count: int


@dataclass(frozen=True)
class Fresh:
    """A request that was not sent before."""

    body: Json


@dataclass(frozen=True)
class Again:
    """An earlier request, word for word, or in snake case."""

    index: int
    in_snake_case: bool = False


@dataclass(frozen=True)
class Changed:
    """The id of an earlier request with another body."""

    index: int
    body: Json


Item = Fresh | Again | Changed


@dataclass(frozen=True)
class World:
    """The values for placeholders: the start of the history, the ids so far, and the texts of the codes."""

    start: datetime
    vouchers: Sequence[str]
    cards: Sequence[str]
    codes: Sequence[str]
    invoices: Sequence[str] = ()
    discounts: Sequence[str] = ()


def made(value: Any, *, world: World) -> Any:
    """Return a drawn body with all placeholders filled in."""
    match value:
        case Minutes(count, offset):
            result: Any = (
                (world.start + timedelta(minutes=count)).astimezone(timezone(timedelta(hours=offset))).isoformat()
            )
        case DaysFromNow(count):
            result = (world.start.date() + timedelta(days=count)).isoformat()
        case Nth(index):
            result = nth(world.vouchers, index)
        case NthCard(index):
            result = nth(world.cards or world.vouchers, index)
        case NthInvoice(index):
            result = nth(world.invoices or ["unknown"], index)
        case NthDiscount(index):
            result = nth(world.discounts or [UNKNOWN_DISCOUNT], index)
        case NthCode(index):
            result = nth(world.codes or ["unknown"], index).upper()
        case dict():
            result = {key: made(each, world=world) for key, each in value.items()}
        case list():
            result = [made(each, world=world) for each in value]
        case _:
            result = value
    return result


def nth(values: Sequence[str], index: int) -> str:
    """Return a value, counted from the first and starting over after the last."""
    return values[index % len(values)]


def in_snake_case(value: Any) -> Any:
    """Return a body with field names in snake case, which the contract accepts too."""
    return _renamed(value, lambda name: re.sub("(?<!^)([A-Z])", r"_\1", name).lower())


def meant(body: Json) -> Json:
    """Return a body in the contract's spelling, with the blanks and the zero-width spaces around codes trimmed."""
    spelt: Json = _renamed(body, lambda name: re.sub("_([a-z])", lambda found: found[1].upper(), name))
    added = {"codes": [meant(each) for each in spelt["codes"]]} if "codes" in spelt else {}
    return {**spelt, **added, **({"code": spelt["code"].strip(" \u200b")} if spelt.get("code") else {})}


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    match value:
        case dict():
            # The keys in currencyOptions are currencies.
            return {key if key.isupper() else rename(key): _renamed(each, rename) for key, each in value.items()}
        case list():
            return [_renamed(each, rename) for each in value]
    return value
