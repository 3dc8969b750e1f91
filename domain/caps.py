"""Caps on what a voucher gives: the most on one invoice, and what is left of the most that it gives in all."""

from collections.abc import Mapping

from domain.value import value


@value
class Caps:
    """In minor units by ISO 4217 code; None is no cap. A cap names its currencies: nothing is given in another one."""

    maximum_minor: Mapping[str, int] | None = None
    budget_left_minor: Mapping[str, int] | None = None

    def allow(self, currency: str) -> bool:
        """This method will tell whether each cap names that currency."""
        return all(each is None or currency in each for each in (self.maximum_minor, self.budget_left_minor))

    def is_budget_spent(self, currency: str) -> bool:
        """This method will tell whether nothing is left of the budget in a currency that it names."""
        return self.budget_left_minor is not None and self.budget_left_minor[currency] == 0

    def limit(self, amount_minor: int, *, currency: str) -> int:
        """This method will return as much of the amount as the caps leave of it."""
        caps = (each[currency] for each in (self.maximum_minor, self.budget_left_minor) if each is not None)
        return min((amount_minor, *caps))


def caps_of(*, maximum_minor: Mapping[str, int] | None, budget_left_minor: Mapping[str, int] | None) -> Caps | None:
    """This function will return the caps of a discount, or None where it has none."""
    if maximum_minor is None and budget_left_minor is None:
        return None
    return Caps(maximum_minor=maximum_minor, budget_left_minor=budget_left_minor)
