"""Comparisons of the answers in the demo with the expectations, which come from examples/, never from the rules."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.eligibility import Refusal
from scrip.demo.client import Exchange, Json

OUTCOMES = ("accepted", *(each.value for each in Refusal), "invalid")


@dataclass(frozen=True, kw_only=True)
class Check:
    """A comparison, with the most important deviations first."""

    title: str
    expected: int
    found: int
    about: str = ""
    deviations: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Whether the found number equals the expected number and there is no deviation."""
        return self.expected == self.found and not self.deviations


@dataclass(kw_only=True)
class Found:
    """Every answer of a demo."""

    redemptions: list[Exchange] = field(default_factory=list)
    examples: list[Exchange] = field(default_factory=list)
    retrieved: list[Exchange] = field(default_factory=list)
    runs: list[Exchange] = field(default_factory=list)
    stories: list[Exchange] = field(default_factory=list)
    first_run_again: list[Exchange] = field(default_factory=list)
    vouchers: list[Json] = field(default_factory=list)
    tour: dict[str, list[Exchange]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def redeemed(self) -> list[Exchange]:
        """All answers to redemption requests."""
        return [*self.redemptions, *self.examples]

    @property
    def invoiced(self) -> list[Exchange]:
        """The answers to all invoices, repeated deliveries included."""
        return [*self.runs, *self.stories, *self.first_run_again]


def matches(expected: Any, answer: Any) -> bool:
    """Return whether an answer has all expected fields. More fields are allowed."""
    if isinstance(expected, dict):
        return isinstance(answer, dict) and all(
            key in answer and matches(value, answer[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(answer, list)
            and len(expected) == len(answer)
            and all(matches(*pair) for pair in zip(expected, answer, strict=True))
        )
    return bool(expected == answer)


def outcome(answer: Json) -> str:
    """Return the reason of a refusal, or else the outcome."""
    return str(answer.get("reason") or answer["outcome"])


def in_order(counts: Iterable[str]) -> list[str]:
    """Return the counted outcomes and reasons in order of precedence, and reasons unknown to the contract last."""
    counted = set(counts)
    return [*(each for each in OUTCOMES if each in counted), *sorted(counted - set(OUTCOMES))]


def by_reason(found: Found, expected: Json) -> list[Check]:
    """Compare how often each outcome and reason was answered."""
    wanted = Counter(outcome(each.line["answer"]) for each in found.examples)
    for scenario in expected["scenarios"].values():
        wanted.update(scenario["answers"])
    counts = Counter(outcome(each.answer) for each in found.redeemed)
    return [Check(title=name, expected=wanted[name], found=counts[name]) for name in in_order([*wanted, *counts])]


def by_scenario(found: Found, expected: Json) -> list[Check]:
    """Compare, for each scenario, how often each outcome and reason was answered."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in expected["scenarios"]}
    for each in found.redemptions:
        counts[each.line["scenario"]][outcome(each.answer)] += 1
    return [
        Check(title=each, about=f"{name}: {scenario['about']}", expected=wanted[each], found=counts[name][each])
        for name, scenario in expected["scenarios"].items()
        for wanted in [Counter(scenario["answers"])]
        for each in in_order([*wanted, *counts[name]])
        if wanted[each] or counts[name][each]
    ]


def by_cycle(found: Found, expected: Json) -> list[list[Check]]:
    """Compare the discounts of each cycle and currency, in minor units."""
    totals: dict[str, Counter[str]] = {currency: Counter() for currency in expected["discounts"]}
    first_answers = {each.line["request"]["invoice"]: each for each in reversed([*found.runs, *found.stories])}
    for each in first_answers.values():
        for discount in each.answer.get("discounts", ()):
            totals[each.line["request"]["currency"]][str(discount["cycle"])] += discount["amount"]
    wanted = {currency: Counter(amounts) for currency, amounts in expected["discounts"].items()}
    cycles = sorted({int(cycle) for amounts in (*wanted.values(), *totals.values()) for cycle in amounts})
    return [
        [
            Check(title=cycle, about=currency, expected=wanted[currency][cycle], found=totals[currency][cycle])
            for currency in wanted
        ]
        for cycle in map(str, cycles)
    ]


def retired(found: Found, expected: Json) -> list[Check]:
    """Compare how many vouchers were retired for each reason."""
    counts = Counter(voucher["retiredReason"] or voucher["status"] for voucher in found.vouchers)
    return [Check(title=name, expected=number, found=counts[name]) for name, number in expected["retired"].items()]
