"""How caps limit an amount."""

import pytest

from domain.caps import Caps, caps_of


@pytest.mark.parametrize(
    ("maximum", "left", "expected"),
    [(None, None, 100), (60, None, 60), (None, 40, 40), (60, 40, 40), (40, 60, 40), (200, 200, 100), (1, 0, 0)],
)
def test_the_smallest_decides(maximum, left, expected):
    """The result is the least of the amount, the maximum and the rest of the budget."""
    caps = Caps(
        maximum_minor=None if maximum is None else {"USD": maximum},
        budget_left_minor=None if left is None else {"USD": left},
    )
    assert caps.limit(100, currency="USD") == expected


def test_every_cap_must_name_the_currency():
    """A cap allows no amount in a currency that the cap does not name."""
    both = Caps(maximum_minor={"USD": 1, "EUR": 1}, budget_left_minor={"USD": 1, "JPY": 1})
    assert [both.allow(each) for each in ("USD", "EUR", "JPY", "GBP")] == [True, False, False, False]
    assert Caps().allow("GBP")


def test_a_budget_is_spent_when_nothing_is_left_of_it():
    """Without a budget, no budget is spent."""
    left = Caps(budget_left_minor={"USD": 0, "EUR": 1})
    assert (left.is_budget_spent("USD"), left.is_budget_spent("EUR")) == (True, False)
    assert not Caps(maximum_minor={"USD": 1}).is_budget_spent("USD")


def test_without_caps_there_is_nothing_to_look_at():
    """Either cap alone makes caps."""
    assert caps_of(maximum_minor=None, budget_left_minor=None) is None
    assert caps_of(maximum_minor={"USD": 1}, budget_left_minor=None) == Caps(maximum_minor={"USD": 1})
    assert caps_of(maximum_minor=None, budget_left_minor={"USD": 1}) == Caps(budget_left_minor={"USD": 1})
