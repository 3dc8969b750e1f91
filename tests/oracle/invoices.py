"""Decided invoices, with the refunds and credits of their lines."""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.oracle.amounts import half_up, split
from tests.oracle.discounts import Discount, Entry


@dataclass
class Event:
    """A reversal or a credit of an invoice, and its instant."""

    kind: str
    at: str | None
    # Whether it is a credit that was taken back.
    taken_back: bool = False


@dataclass
class Invoice:
    """A decided invoice."""

    body: dict[str, Any]
    answer: dict[str, Any]
    # In the order applied.
    entries: list[tuple[Discount, Entry]]
    credits: list["Credit"]
    given_back: tuple[str, dict[str, Any]] | None = None
    # The amounts of all refunds, by line, and those of all credits that were not taken back.
    refunded: Counter[str] = field(default_factory=Counter)
    credited: Counter[str] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    # The rests of a line and of its discount when a credit was last taken back. Rounding begins anew from there.
    anew: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def amounts(self) -> dict[str, int]:
        """Return the amount of each line."""
        return {each["id"]: each["amount"] for each in self.body["lines"]}

    def rest_of(self, line: str) -> int:
        """Return the amount of a line that refunds and credits have left."""
        return self.amounts[line] - self.refunded[line] - self.credited[line]

    @property
    def reversed(self) -> dict[str, Any] | None:
        """Return the latest reversal or credit, as an answer names it."""
        counting = [each for each in self.events if not each.taken_back]
        return {"kind": counting[-1].kind, "at": counting[-1].at} if counting else None

    def discounted(self, line: str) -> int:
        """Return the discount of a line."""
        return sum(entry.parts.get(line, 0) for _, entry in self.entries)

    def take_back(self, line: str, amount: int, kind: str) -> list[int]:
        """Refund or credit an amount of a line, and return the share of each entry."""
        getattr(self, kind)[line] += amount
        whole, discounted = self.anew.get(line) or (self.amounts[line], self.discounted(line))
        rests = {number: entry.rest_of(line) for number, (_, entry) in enumerate(self.entries)}
        due = half_up(Fraction(discounted * (whole - self.rest_of(line)), whole))
        parts = split(due - (discounted - sum(rests.values())), rests)
        for number, (_, entry) in enumerate(self.entries):
            getattr(entry, kind)[line] += parts[number]
        return [parts[number] for number in rests]


@dataclass
class Credit:
    """A credit line of an invoice, with its share of each discount of the credited line."""

    line: str
    of: Invoice
    of_line: str
    amount: int
    shares: list[tuple[Discount, Entry, int]]
    event: Event

    @property
    def share(self) -> int:
        """Return the share of all discounts."""
        return sum(part for _, _, part in self.shares)

    def take_back(self) -> list[tuple[Discount, int]]:
        """Give the share to the credited line again, and return the part of each discount."""
        if self.of.given_back:
            return []
        self.event.taken_back = True
        self.of.credited[self.of_line] -= self.amount
        for _, entry, part in self.shares:
            entry.credited[self.of_line] -= part
        rest = sum(entry.rest_of(self.of_line) for _, entry in self.of.entries)
        self.of.anew[self.of_line] = self.of.rest_of(self.of_line), rest
        return [(discount, part) for discount, _, part in self.shares]
