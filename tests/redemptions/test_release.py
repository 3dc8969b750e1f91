"""Release a hold: its place is free once, and no later confirmation redeems the hold."""

import pytest

from tests.redemptions.outcomes import ACCEPTED, FULLY_RESERVED, LAST_PLACE, outcome
from tests.support.holds import confirm, release, reserve, stored, voucher_held
from tests.support.requests import create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_hold_is_released_once_however_often_it_is_asked():
    """A second release does not free the place of another hold."""
    voucher = create_voucher(**LAST_PLACE)
    hold = reserve(voucher=voucher["id"], requestId="r1")
    answer = release(hold)
    assert answer == {**hold, "status": "released"}
    assert task_named("redemptions.release")(request={"project": "gigs", "requestId": "r1"}) == answer
    assert voucher_held() == 0
    other = reserve(voucher=voucher["id"])
    assert outcome(other) == ACCEPTED
    assert release(hold) == answer
    assert outcome(redeem(voucher=voucher["id"])) == FULLY_RESERVED
    assert confirm(hold)["reason"] == "hold_released"
    assert confirm(hold)["id"] is None


def test_releasing_a_confirmed_hold_changes_nothing():
    """The answer has the status `confirmed`."""
    hold = reserve(voucher=create_voucher()["id"])
    redeemed = confirm(hold)
    assert release(hold) == {**hold, "status": "confirmed"}
    assert confirm(hold) == redeemed
    assert stored() == ["confirmed"]


def test_a_released_hold_is_not_confirmed_but_its_request_id_can_be_redeemed():
    """The confirmation then gets the answer of that redemption."""
    voucher = create_voucher()
    body = redemption(voucher=voucher["id"])
    hold = task_named("redemptions.reserve")(request=body)
    release(hold)
    assert confirm(hold)["reason"] == "hold_released"
    answer = task_named("redemptions.redeem")(request=body)
    assert outcome(answer) == ACCEPTED
    assert confirm(hold) == answer
    assert stored() == ["released"]
