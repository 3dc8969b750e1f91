"""Caps on the discounts of a voucher: the maximum on one invoice, and the rest of the voucher's budget."""

from collections.abc import Mapping

from domain.value_class import value


@value
class Caps:
    """The caps of a discount, in minor units by ISO 4217 code; None is no cap.

    A cap allows no other currencies.
    """

    maximum_minor: Mapping[str, int] | None = None
    budget_left_minor: Mapping[str, int] | None = None

    def allow(self, currency: str) -> bool:
        """Return whether every cap names the currency."""
        return all(each is None or currency in each for each in (self.maximum_minor, self.budget_left_minor))

    def is_budget_spent(self, currency: str) -> bool:
        """Return whether the budget in a currency is used up. The budget must name the currency."""
        return self.budget_left_minor is not None and self.budget_left_minor[currency] == 0

    def limit(self, amount_minor: int, *, currency: str) -> int:
        """Return the amount, or the smallest cap if that is less. Every cap must name the currency."""
        caps = (each[currency] for each in (self.maximum_minor, self.budget_left_minor) if each is not None)
        return min((amount_minor, *caps))


def caps_of(*, maximum_minor: Mapping[str, int] | None, budget_left_minor: Mapping[str, int] | None) -> Caps | None:
    """Return the caps of a discount, or None if there are none."""
    if maximum_minor is None and budget_left_minor is None:
        return None
    return Caps(maximum_minor=maximum_minor, budget_left_minor=budget_left_minor)
