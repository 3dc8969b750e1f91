"""Decide beside many holds of a customer: the time grows with their number, not with its square."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from domain.eligibility import Candidate, Counts
from domain.hold import HoldStatus
from domain.terms import PercentageDiscount, Restrictions
from tasks.redemptions.batch_vouchers import BatchVoucher
from tasks.redemptions.held_places import HeldPlaces
from tasks.redemptions.look_up import Claim
from tasks.redemptions.messages import Redeem
from tests.support.requests import redemption

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PROJECT, VOUCHER = "gigs", UUID(int=1)
NO_COUNTS = Counts(taken=0, taken_by_customer=0, voucher_is_running=False, running_discounts=0)
MANY = 1_000


class HoldWithReads(SimpleNamespace):
    """A hold that counts the reads of its attributes, together with all other holds."""

    reads = 0

    def __getattribute__(self, name: str) -> Any:
        HoldWithReads.reads += 1
        return super().__getattribute__(name)


def places_of_two_customers(count: int) -> HeldPlaces:
    """Return places of which `cus_1` holds so many and `cus_2` holds one."""
    places = HeldPlaces(at=NOW)
    for number in range(count + 1):
        places.add(
            HoldWithReads(
                project=PROJECT,
                voucher_id=VOUCHER,
                id=UUID(int=number),
                customer="cus_1" if number < count else "cus_2",
                subscription=f"held_{number}" if number < count else "held_by_another",
                code_id=None,
                status=HoldStatus.OPEN,
                expires_at=NOW + timedelta(days=1),
            )
        )
    HoldWithReads.reads = 0
    return places


def possible_counts(
    places: HeldPlaces, *, limits: Restrictions, subscription: str = "sub_1"
) -> list[tuple[Counts, list[Any]]]:
    """Return all counts that another request of `cus_1` may be judged by."""
    candidate = Candidate(
        price_discount=PercentageDiscount(millionths=100_000), restrictions=limits, retired_reason=None
    )
    row: Any = SimpleNamespace(project=PROJECT, id=VOUCHER)
    body = redemption(project=PROJECT, voucher=str(VOUCHER), customer="cus_1", subscription=subscription)
    request = Redeem.model_validate(body)
    voucher = BatchVoucher(key=(PROJECT, VOUCHER), row=row, candidate=candidate)
    claim = Claim(request, fingerprint=b"", voucher=voucher, code=None)
    return list(places.possible_counts(NO_COUNTS, claim=claim, candidate=candidate))


def of_customer(maximum: int) -> Restrictions:
    """Return a customer limit."""
    return Restrictions(maximum_redemptions_per_customer=maximum)


@pytest.mark.parametrize("others", [0, 1, 499, MANY - 1])
def test_the_fewest_of_many_holds_are_replaced_at_once(others):
    """The oldest holds are replaced, so that exactly one place is free beside the others."""
    places = places_of_two_customers(MANY)
    (before, none), (after, replaced) = possible_counts(places, limits=of_customer(others + 1))
    assert (before.held, before.held_by_customer, none) == (MANY + 1, MANY, [])
    assert (after.held, after.held_by_customer) == (others + 1, others)
    assert [each.id.int for each in replaced] == list(range(MANY - others))


def test_replacing_takes_time_in_proportion_to_the_number_of_holds():
    """Both to find the replaced holds and to close them."""
    places = places_of_two_customers(MANY)
    _, (_, replaced) = possible_counts(places, limits=of_customer(1))
    for hold in replaced:
        places.close(hold, HoldStatus.REPLACED)
    assert HoldWithReads.reads < 20 * MANY
    assert [len(more) for _, more in possible_counts(places, limits=of_customer(1))] == [0]


def test_no_hold_is_read_if_replacing_does_not_help():
    """Another customer holds the subscription."""
    places = places_of_two_customers(MANY)
    ((counts, replaced),) = possible_counts(places, limits=of_customer(1), subscription="held_by_another")
    assert (counts.subscription_is_held, replaced) == (True, [])
    assert HoldWithReads.reads < 20


def test_no_hold_is_replaced_if_all_of_them_are_too_few():
    """Another customer has the last place."""
    places = places_of_two_customers(2)
    found = possible_counts(places, limits=Restrictions(maximum_redemptions=1))
    assert [replaced for _, replaced in found] == [[]]
