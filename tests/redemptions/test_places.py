"""What deciding beside many holds of one customer costs: a look at each of them at most a few times."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from domain.eligibility import Candidate, Counts
from domain.hold import HoldStatus
from domain.terms import PercentageDiscount, Restrictions
from tasks.redemptions.held_places import HeldPlaces
from tasks.redemptions.messages import Redeem
from tests.support.requests import redemption

NOW = datetime(2026, 11, 22, tzinfo=UTC)
VOUCHER: Any = SimpleNamespace(row=SimpleNamespace(project="gigs", id=UUID(int=1)), redemptions=0)
NOTHING = Counts(taken=0, taken_by_customer=0, voucher_is_running=False, running_discounts=0)
MANY = 1_000


class LookedAt(SimpleNamespace):
    """A hold that counts how often something of any hold is read."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        LookedAt.looks += 1
        return super().__getattribute__(name)


def held_by_one(count: int) -> HeldPlaces:
    """This function will return what is held where one customer has so many places, and another one has one."""
    places = HeldPlaces(at=NOW)
    for number in range(count + 1):
        places.add(
            LookedAt(
                project="gigs",
                voucher_id=VOUCHER.row.id,
                id=UUID(int=number),
                customer="cus_1" if number < count else "cus_2",
                subscription=f"held_{number}" if number < count else "held_by_another",
                code_id=None,
                status=HoldStatus.OPEN,
                expires_at=NOW + timedelta(days=1),
            )
        )
    LookedAt.looks = 0
    return places


def possible_counts(places: HeldPlaces, *, per_customer: int, **fields: str) -> list[tuple[Counts, list[Any]]]:
    """This function will return every standing that a further request of the customer may be judged by."""
    candidate = Candidate(
        price_discount=PercentageDiscount(basis_points=1_000),
        restrictions=Restrictions(maximum_redemptions_per_customer=per_customer),
        retired_reason=None,
    )
    request = Redeem.model_validate(redemption(voucher=str(VOUCHER.row.id), customer="cus_1", **fields))
    return list(places.possible_counts(NOTHING, request=request, voucher=VOUCHER, code=None, candidate=candidate))


@pytest.mark.parametrize("others", [0, 1, 499, MANY - 1])
def test_of_many_holds_as_few_as_will_do_make_way_at_once(others):
    """The oldest of them: beside those that are left there is exactly one place."""
    places = held_by_one(MANY)
    (before, none), (after, aside) = possible_counts(places, per_customer=others + 1)
    assert (before.held, before.held_by_customer, none) == (MANY + 1, MANY, [])
    assert (after.held, after.held_by_customer) == (others + 1, others)
    assert [each.id.int for each in aside] == list(range(MANY - others))


def test_making_way_takes_as_long_as_there_are_holds():
    """Not as long as their square: neither finding those that make way nor closing them."""
    places = held_by_one(MANY)
    _, (_, aside) = possible_counts(places, per_customer=1)
    for hold in aside:
        places.close(hold, HoldStatus.REPLACED)
    assert LookedAt.looks < 20 * MANY
    assert [len(make_way) for _, make_way in possible_counts(places, per_customer=1)] == [0]


def test_none_of_them_is_looked_at_where_none_would_help():
    """The subscription is held by somebody else."""
    places = held_by_one(MANY)
    ((standing, aside),) = possible_counts(places, per_customer=1, subscription="held_by_another")
    assert (standing.subscription_is_held, aside) == (True, [])
    assert LookedAt.looks < 20


def test_where_all_of_them_are_too_few_none_makes_way():
    """The last places are somebody else's."""
    places = held_by_one(2)
    candidate = Candidate(
        price_discount=PercentageDiscount(basis_points=1_000),
        restrictions=Restrictions(maximum_redemptions=1),
        retired_reason=None,
    )
    request = Redeem.model_validate(redemption(voucher=str(VOUCHER.row.id), customer="cus_1"))
    found = list(places.possible_counts(NOTHING, request=request, voucher=VOUCHER, code=None, candidate=candidate))
    assert [aside for _, aside in found] == [[]]
