"""The very instant of a hold's end: the hold keeps its place until then, exclusive."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from models.sweeps.expiry import lapse_holds
from tests.redemptions.outcomes import ACCEPTED, FULLY_RESERVED, LAST_PLACE, outcome, retire
from tests.support.changes import move
from tests.support.frozen_clock import clock_at
from tests.support.holds import confirm, reserve, stored
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

# The audit would find what has ended in the future.
pytestmark = pytest.mark.usefixtures("tampered_database")

MOMENT = timedelta(microseconds=1)
HOUR = 3_600


def end_of(hold: dict[str, Any]) -> datetime:
    """Return the instant at which a hold ends."""
    return datetime.fromisoformat(hold["expiresAt"])


def outcomes(hold: dict[str, Any], **fields: Any) -> list[tuple]:
    """Return the outcomes of two requests for a place, a moment before a hold ends and when it ends."""
    found = []
    for before in (MOMENT, timedelta()):
        with clock_at(end_of(hold) - before):
            found.append(outcome(redeem(**fields)))
    return found


def test_the_last_place_of_a_voucher_is_free_when_the_hold_ends():
    """A moment before, it is held."""
    voucher = create_voucher(**LAST_PLACE)
    assert outcomes(reserve(voucher=voucher["id"]), voucher=voucher["id"]) == [FULLY_RESERVED, ACCEPTED]


def test_the_last_place_of_a_code_is_free_when_the_hold_ends():
    """Another place of the voucher is held for longer, so the holds of the code are counted."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    reserve(voucher=voucher["id"], ttl=HOUR)
    assert outcomes(reserve(code="ONE", ttl=60), code="ONE") == [FULLY_RESERVED, ACCEPTED]


def test_the_place_on_a_subscription_is_free_when_the_hold_ends():
    """The hold is closed as lapsed, because a subscription has one open hold of a voucher."""
    voucher = create_voucher()["id"]
    reserve(voucher=voucher, ttl=HOUR)
    hold = reserve(voucher=voucher, subscription="sub_1", ttl=60)
    assert outcomes(hold, voucher=voucher, subscription="sub_1") == [FULLY_RESERVED, ACCEPTED]
    assert stored() == ["open", "lapsed"]


def test_a_discount_moves_to_the_place_when_the_hold_ends():
    """A moment before, the place on the subscription is held."""
    voucher = create_voucher()["id"]
    discount = redeem(voucher=voucher, subscription="sub_1")["discount"]
    hold = reserve(voucher=voucher, subscription="sub_2")
    with clock_at(end_of(hold) - MOMENT):
        assert move(discount, "sub_2")["outcome"] == "refused"
    with clock_at(end_of(hold)):
        assert move(discount, "sub_2")["subscription"] == "sub_2"


@pytest.mark.parametrize("task", ["redemptions.confirm", "redemptions.redeem"])
def test_a_hold_is_honoured_no_longer_when_it_ends(task):
    """Neither by a confirmation nor by a redemption under its id. A moment before, a retired voucher is redeemed."""
    voucher = create_voucher()
    requests = [redemption(voucher=voucher["id"]) for _ in range(2)]
    holds = [task_named("redemptions.reserve")(request=each) for each in requests]
    retire(voucher)
    bodies = requests if task == "redemptions.redeem" else [{"project": "gigs", "hold": each["id"]} for each in holds]
    with clock_at(end_of(holds[0]) - MOMENT):
        assert outcome(task_named(task)(request=bodies[0])) == ACCEPTED
    with clock_at(end_of(holds[1])):
        assert task_named(task)(request=bodies[1])["reason"] == "voucher_retired"


def test_a_hold_that_is_refused_when_it_ends_has_lapsed():
    """It was not released: a confirmation can succeed later, if the reason for the refusal is gone."""
    voucher = create_voucher()
    hold = reserve(voucher=voucher["id"])
    retire(voucher)
    with clock_at(end_of(hold)):
        assert confirm(hold)["reason"] == "voucher_retired"
    assert stored() == ["lapsed"]


def test_a_sweep_lapses_a_hold_when_it_ends():
    """A moment before, it is not due."""
    end = end_of(reserve(voucher=create_voucher()["id"]))
    with transaction() as session:
        assert [lapse_holds(session, now=each, batch_size=5) for each in (end - MOMENT, end)] == [0, 1]
