"""Money: no unit is lost, none appears, and a share rounds half up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import allocate, percentage_of
from tests.cases.load import cases

AMOUNTS = st.integers(min_value=0, max_value=999_999_999_999)


@pytest.mark.parametrize("case", cases("percentage"))
def test_a_percentage_is_computed_as_public_systems_should(case):
    """The figures that float arithmetic gets wrong elsewhere."""
    basis_points = round(case["percentage"] * 100)
    assert percentage_of(case["amount"], basis_points=basis_points) == case["discount"]


@pytest.mark.parametrize(
    ("amount", "basis_points", "share"), [(1, 5000, 1), (1, 4999, 0), (3, 5000, 2), (0, 10_000, 0)]
)
def test_a_half_is_rounded_up(amount, basis_points, share):
    """Half up, not half to even."""
    assert percentage_of(amount, basis_points=basis_points) == share


@given(AMOUNTS, st.integers(min_value=1, max_value=10_000))
def test_a_share_is_the_nearest_unit_and_never_more_than_the_whole(amount, basis_points):
    """Checked against exact arithmetic in ten-thousandths."""
    share = percentage_of(amount, basis_points=basis_points)
    assert 0 <= share <= amount
    assert -5_000 < share * 10_000 - amount * basis_points <= 5_000


@pytest.mark.parametrize("case", cases("allocation"))
def test_an_amount_is_split_as_public_systems_do(case):
    """Largest remainder, ties to the earlier line."""
    assert allocate(case["total"], weights=case["weights"]) == case["parts"]


@given(st.lists(AMOUNTS, min_size=1, max_size=40), st.data())
def test_the_parts_sum_to_the_whole_and_none_exceeds_its_line(weights, data):
    """The two promises of every split invoice."""
    total = data.draw(st.integers(min_value=0, max_value=sum(weights)))
    parts = allocate(total, weights=weights)
    assert sum(parts) == total
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))


@given(st.lists(st.integers(min_value=1, max_value=10_000), min_size=2, max_size=20), st.data())
def test_no_part_is_a_whole_unit_away_from_its_exact_share(weights, data):
    """What makes the split fair."""
    total = data.draw(st.integers(min_value=0, max_value=sum(weights)))
    for part, weight in zip(allocate(total, weights=weights), weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


def test_an_amount_with_nothing_to_be_split_over_is_an_error():
    """A bug of the caller, not a business outcome."""
    with pytest.raises(ValueError, match="positive weight"):
        allocate(1, weights=[0, 0])
