"""Random histories: placeholders in drawn bodies, filled in when a body is sent.

A body is drawn before the history runs, so it cannot have the id of a voucher or an instant of the run.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

Json = dict[str, Any]
# The whole line, what is left of it, a part of it, or a minor unit more than what is left.
Part = Literal["whole", "rest", "half", "third", "unit", "over"]
UNKNOWN_LINE = 7
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
    """The id of an applied invoice, counted in the same way, or of one that was sent, or an unknown id."""

    index: int


@dataclass(frozen=True)
class NthSent:
    """The id of an invoice without credits, applied or not, counted from the latest, or an unknown id."""

    index: int


@dataclass(frozen=True)
class NthCrediting:
    """The id of an applied invoice with a credit line, counted in the same way, or of any applied invoice."""

    index: int


@dataclass(frozen=True)
class NthLine:
    """The id of a line of that invoice with a positive amount, counted in the same way, or an unknown id."""

    invoice: "NthInvoice | NthSent"
    index: int


@dataclass(frozen=True)
class CreditOf:
    """The negative amount of a credit line: a part of a line of that invoice."""

    line: NthLine
    part: Part


@dataclass(frozen=True)
class CurrencyOf:
    """The currency of that invoice."""

    invoice: "NthInvoice | NthSent"


@dataclass(frozen=True)
class CycleOf:
    """The cycle of that invoice, or a month if the invoice has none."""

    invoice: "NthInvoice | NthSent"


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
    # Invoices with a credit line, all invoices by id from the oldest to the latest, and what is left of each line.
    crediting: Sequence[str] = ()
    sent: Mapping[str, Json] = field(default_factory=dict)
    left: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def invoice(self, placeholder: "NthInvoice | NthSent") -> Json:
        """Return the invoice that a placeholder stands for, or one that nobody knows."""
        return self.sent.get(made(placeholder, world=self), {"currency": "USD", "lines": []})

    def latest(self) -> list[str]:
        """Return the invoices without credits, the latest first."""
        return [
            invoice for invoice, body in self.sent.items() if not any("creditOf" in line for line in body["lines"])
        ][::-1]

    def amount(self, credit: CreditOf) -> int:
        """Return the amount of a credit line, in minor units."""
        invoice = self.invoice(credit.line.invoice)
        lines: dict[str, int] = {line["id"]: line["amount"] for line in invoice["lines"]}
        line = made(credit.line, world=self)
        billed = lines.get(line, 500)
        left = self.left.get((made(credit.line.invoice, world=self), line), billed)
        part = {"whole": billed, "rest": left, "half": billed // 2, "third": billed // 3, "unit": 1, "over": left + 1}
        return -max(1, part[credit.part])


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
        case NthInvoice() | NthSent() | NthCrediting() | NthLine() | CreditOf() | CurrencyOf() | CycleOf():
            result = of_an_invoice(value, world=world)
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


def of_an_invoice(value: Any, *, world: World) -> Any:
    """Return the value of a placeholder that concerns an invoice."""
    match value:
        case NthInvoice(index):
            result: Any = nth(world.invoices or world.latest() or ["unknown"], index)
        case NthSent(index):
            result = nth(world.latest() or ["unknown"], index)
        case NthCrediting(index):
            result = nth(world.crediting or world.invoices or ["unknown"], index)
        case NthLine(invoice, index):
            lines = [line["id"] for line in world.invoice(invoice)["lines"] if line["amount"] > 0]
            result = nth(lines or ["line_7"], index) if index < UNKNOWN_LINE else "line_7"
        case CreditOf():
            result = world.amount(value)
        case CurrencyOf(invoice):
            result = world.invoice(invoice)["currency"]
        case CycleOf(invoice):
            credited = world.invoice(invoice)
            result = credited.get("cycle") or credited.get("period") or {"start": "2024-01-31", "end": "2024-02-29"}
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
