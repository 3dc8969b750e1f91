"""The state of a drawing. A seed and the oracle determine what is drawn, never an answer of the program."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from tests.oracle.amounts import months_later

CURRENCIES = "USD", "EUR", "JPY"
PRODUCTS = "prod_a", "prod_b", "prod_c"
# Far enough from the present for a day that passes during a run: windows in the past are over, those in the future not.
ANCHORS = [date(2024, 1, 31), date(2024, 5, 15), date(2031, 1, 31), date(2031, 8, 30), date(2032, 2, 29)]


@dataclass(frozen=True)
class Plan:
    """The rhythm of a subscription's cycles."""

    anchor: date
    months: int = 0
    days: int = 0

    def boundary(self, number: int) -> date:
        """Return the start of a cycle, counted from the anchor."""
        return months_later(self.anchor, self.months * number) + timedelta(days=self.days * number)


@dataclass
class Drawn:
    """What was drawn so far."""

    random: Random
    project: str
    plans: dict[str, Plan] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    invoices: list[dict[str, Any]] = field(default_factory=list)
    reversals: list[dict[str, Any]] = field(default_factory=list)

    def is_so(self, chance: float) -> bool:
        """Return true with the chance, 0 to 1."""
        return self.random.random() < chance

    def subscription(self) -> str:
        """Return a subscription, which is new at the first use."""
        name = f"sub_{self.random.choice([1, 1, 1, 1, 2, 2, 3])}"
        if name not in self.plans:
            rhythm: dict[str, int] = self.random.choice(
                [{"months": 1}] * 6 + [{"months": 3}, {"months": 12}, {"days": 7}, {"days": 30}]
            )
            self.plans[name] = Plan(self.random.choice(ANCHORS), **rhythm)
            self.currencies[name] = self.random.choice(CURRENCIES)
        return name
