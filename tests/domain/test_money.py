"""Money: a split neither loses nor adds a unit, and a share is rounded half up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import allocate, divide_half_up, percentage_of
from tests.cases.load import cases

AMOUNTS = st.integers(min_value=0, max_value=999_999_999_999)


@pytest.mark.parametrize("case", cases("percentage"))
def test_a_percentage_is_computed_as_public_systems_should(case):
    """Other systems get some of these amounts wrong, because they use floats."""
    millionths = round(case["percentage"] * 10_000)
    assert percentage_of(case["amount"], millionths=millionths) == case["discount"]


@pytest.mark.parametrize(
    ("amount", "millionths", "share"), [(1, 500_000, 1), (1, 499_999, 0), (3, 500_000, 2), (0, 1_000_000, 0)]
)
def test_a_half_is_rounded_up(amount, millionths, share):
    """Python's own `round` would round a half to the even number."""
    assert percentage_of(amount, millionths=millionths) == share


@given(AMOUNTS, st.integers(min_value=1, max_value=1_000_000))
def test_a_share_is_the_nearest_unit_and_never_more_than_the_whole(amount, millionths):
    """The exact share is compared in millionths of a unit."""
    share = percentage_of(amount, millionths=millionths)
    assert 0 <= share <= amount
    assert -500_000 < share * 1_000_000 - amount * millionths <= 500_000


@given(AMOUNTS, st.integers(min_value=1, max_value=999_999_999_999))
def test_a_quotient_is_rounded_half_up_exactly(numerator, denominator):
    """The quotient is at most half a denominator away, and exactly half away only if it was rounded up."""
    rounded_by = 2 * (divide_half_up(numerator, denominator) * denominator - numerator)
    assert -denominator < rounded_by <= denominator


@pytest.mark.parametrize("case", cases("allocation"))
def test_an_amount_is_split_as_public_systems_do(case):
    """Units go to the largest remainders, and of equal remainders to the earlier line."""
    assert allocate(case["total"], weights=case["weights"]) == case["parts"]


@given(st.lists(AMOUNTS, min_size=1, max_size=40), st.data())
def test_the_parts_sum_to_the_whole_and_none_exceeds_its_line(weights, data):
    """Both hold for every amount up to the sum of the lines."""
    total = data.draw(st.integers(min_value=0, max_value=sum(weights)))
    parts = allocate(total, weights=weights)
    assert sum(parts) == total
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))


@given(st.lists(st.integers(min_value=1, max_value=10_000), min_size=2, max_size=20), st.data())
def test_no_part_is_a_whole_unit_away_from_its_exact_share(weights, data):
    """So the split is fair to every line."""
    total = data.draw(st.integers(min_value=0, max_value=sum(weights)))
    for part, weight in zip(allocate(total, weights=weights), weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


def test_an_amount_with_nothing_to_be_split_over_is_an_error():
    """Such a call is a bug, so an exception is raised."""
    with pytest.raises(ValueError, match="positive weight"):
        allocate(1, weights=[0, 0])
