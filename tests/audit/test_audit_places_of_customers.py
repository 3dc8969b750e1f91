"""The limit of a customer is judged when a place is held or redeemed, and by no import: neither audit is red then."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.audit.scheduled import audit_latest
from tests.support.database_between_tests import violations
from tests.support.holds import confirm, reserve
from tests.support.imports import import_discount
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

Step = Callable[[dict[str, Any]], Any]


def of_customer(voucher: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the fields of a request of cus_1 for another subscription."""
    return {"voucher": voucher["id"], "customer": "cus_1", "subscription": f"sub_{number}", "currency": "USD"}


def hold(voucher: dict[str, Any]) -> dict[str, Any]:
    """Hold a place on sub_7, which replaces a hold there."""
    held = reserve(**of_customer(voucher, 7))
    assert held["outcome"] == "accepted", held
    return held


def confirm_it(voucher: dict[str, Any]) -> None:
    """Confirm the open hold."""
    body = {"project": "gigs", "customer": "cus_1", "voucher": voucher["id"], "status": ["open"]}
    (held,) = task_named("holds.list")(request=body)["items"]
    assert confirm(held)["outcome"] == "accepted"


def take(voucher: dict[str, Any]) -> None:
    """Redeem on sub_8."""
    assert redeem(**of_customer(voucher, 8))["outcome"] == "accepted"


def bring(number: int) -> Step:
    """Return the step that imports a discount on that subscription."""

    def step(voucher: dict[str, Any]) -> None:
        assert import_discount(voucher["id"], ref=f"di_{number}", subscription=f"sub_{number}")["outcome"] == "imported"

    return step


def limit(**restrictions: int) -> Step:
    """Return the step that changes limits."""

    def step(voucher: dict[str, Any]) -> None:
        task_named("vouchers.update")(
            request={"project": "gigs", "voucher": voucher["id"], "restrictions": restrictions}
        )

    return step


ONE = limit(maximumRedemptionsPerCustomer=1)
# Correct orders of what can happen to the places of a customer who may have two.
ORDERS: list[list[Step]] = [
    [bring(1), hold, bring(2)],
    [bring(1), hold, bring(2), confirm_it],
    [bring(1), hold, confirm_it, bring(2), bring(3)],
    [hold, bring(1), bring(2), bring(3)],
    # A redemption replaces the hold, for which there is no other place.
    [hold, bring(1), take, bring(2)],
    [hold, ONE, bring(1), confirm_it],
    [hold, ONE, bring(1), bring(2)],
    [bring(1), bring(2), bring(3), limit(maximumRedemptionsPerCustomer=4), hold, ONE, confirm_it],
    [take, hold, ONE, confirm_it, bring(1)],
    [take, bring(1), ONE, bring(2)],
]


@pytest.mark.slow
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("steps", ORDERS)
def test_places_that_may_be_taken_are_no_violation(steps):
    """Both kinds of audit, after each step."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    for step in steps:
        step(voucher)
        assert (violations(), audit_latest()) == ([], [])
